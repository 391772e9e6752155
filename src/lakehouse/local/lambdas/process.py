"""A function's execution environment: a process of its own, within the function's memory and time."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import json
import os
import secrets
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from lakehouse.local.lambdas import bootstrap
from lakehouse.local.lambdas.code import StoredCode, runtime_packages, store
from lakehouse.local.place import client_environment, current

Json = dict[str, Any]

# Lambda's own: "The Init phase is limited to 10 seconds", and is tried again within the function's timeout.
_INIT_SECONDS = 10.0
_MEMORY_CHECK_SECONDS = 0.05
_PROC = Path("/proc")


class FunctionProcess:
    """A warm process of one function: the emulator keeps a pool of them and leases one an invocation.

    Attributes:
        func_name: The function.
        config: Its configuration.
        in_use: Whether it is leased; the pool's.
        last_used: When it was leased last; the pool's.
    """

    def __init__(self, func_name: str, config: Json, code_zip: StoredCode) -> None:
        """Prepare; the process starts with the first invocation.

        Args:
            func_name: The function.
            config: Its configuration, as GetFunctionConfiguration answers it.
            code_zip: Its package.
        """
        self.func_name = func_name
        self.config = config
        self.in_use = False
        self.last_used = time.time()
        self._code = code_zip
        self._lock = threading.Lock()
        self._proc: subprocess.Popen[bytes] | None = None
        self._requests: IO[str] | None = None
        self._responses: IO[str] | None = None
        self._log: IO[bytes] | None = None
        self._folder: Path | None = None
        self._cold = True

    def invoke(
        self,
        event: Any,
        request_id: str,
        *,
        trace_id: str | None = None,
        depth: Any = None,  # noqa: ARG002 - the emulator's interface; loops are bounded by the account's concurrency
        durable: Json | None = None,  # noqa: ARG002 - durable functions are not used
        invoked_function_arn: str | None = None,
    ) -> Json:
        """Run one invocation.

        Args:
            event: The payload.
            request_id: The invocation's id.
            trace_id: X-Ray header, None where tracing is off.
            depth: Unused.
            durable: Unused.
            invoked_function_arn: The ARN it was called by.

        Returns:
            ``result`` or ``error`` (``errorMessage``, ``errorType``, ``stackTrace``), and ``log``, what it printed.
        """
        with self._lock:
            timeout = float(self.config.get("Timeout", 3))
            deadline = time.monotonic() + timeout
            refusal = self._ensure_started(max(deadline, time.monotonic() + _INIT_SECONDS))
            if refusal is not None:
                return {**refusal, "log": self._printed()}
            # Starting is Lambda's init phase, which the function's timeout does not count.
            deadline = time.monotonic() + timeout
            request = {
                "event": event,
                "request_id": request_id,
                "function_arn": invoked_function_arn or self.config["FunctionArn"],
                "timeout_seconds": timeout,
                "trace_id": trace_id or _unsampled_trace(),
            }
            assert self._requests is not None  # noqa: S101 - _ensure_started has opened it
            with suppress(BrokenPipeError):
                self._requests.write(json.dumps(request) + "\n")
                self._requests.flush()
            answer = self._await_answer(deadline, f"Task timed out after {timeout:.2f} seconds", request_id)
            return {**answer, "log": self._printed()}

    def _ensure_started(self, deadline: float) -> Json | None:
        """Start the process unless it runs; its error when the handler cannot be loaded."""
        if self._proc is not None and self._proc.poll() is None:
            return None
        self._spawn()
        answer = self._await_answer(deadline, "Init phase timed out", "")
        if "error" not in answer:
            self._cold = False
            return None
        self._end()
        return answer

    def _spawn(self) -> None:
        self._discard_tmpdir()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{self.func_name}-", dir=_work_folder()))
        (self._folder / "tmp").mkdir()
        task_root = self._code.unpacked()
        requests, to_function = os.pipe()
        from_function, responses = os.pipe()
        self._log = (self._folder / "log").open("w+b")
        command = [sys.executable, "-I", "-S", bootstrap.__file__, str(requests), str(responses)]
        command += [str(task_root), str(runtime_packages()), self.config["Handler"]]
        self._proc = subprocess.Popen(
            command,
            cwd=task_root,
            env=self._environment(task_root),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            pass_fds=(requests, responses),
        )
        os.close(requests)
        os.close(responses)
        self._requests = os.fdopen(to_function, "w", encoding="utf-8")
        self._responses = os.fdopen(from_function, encoding="utf-8")

    def _environment(self, task_root: Path) -> dict[str, str]:
        """The variables of Lambda's runtime, the function's own, and nothing of the endpoint's process.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
        """
        place = current()
        logging = self.config.get("LoggingConfig") or {}
        region = lambda_runtime._account_region_from_function_config(self.config)[1]
        return {
            **(self.config.get("Environment") or {}).get("Variables", {}),
            **client_environment(place.url, region),
            **lambda_runtime.execution_credentials(self.config),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TZ": ":UTC",
            "HOME": str(self._folder),
            "TMPDIR": f"{self._folder}/tmp",  # noqa: S108 - a folder of this process alone
            "LAMBDA_TASK_ROOT": str(task_root),
            "LAMBDA_RUNTIME_DIR": str(place.functions / "runtime"),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.config['Runtime']}",
            "AWS_LAMBDA_FUNCTION_NAME": self.config["FunctionName"],
            "AWS_LAMBDA_FUNCTION_VERSION": self.config.get("Version", "$LATEST"),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.config.get("MemorySize", 128)),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{self.config['FunctionName']}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d')}/[$LATEST]{secrets.token_hex(16)}",
            "_HANDLER": self.config["Handler"],
            "_LAYER_FOLDERS": os.pathsep.join(str(folder) for folder in self._layers()),
        }

    def _layers(self) -> list[Path]:
        """Where the layers' Python packages are; the last layer wins, as on Lambda."""
        folders = []
        for layer in self.config.get("Layers") or ():
            content = lambda_svc._resolve_layer_zip(layer)
            if not content:
                raise FileNotFoundError(f"Function {self.func_name}: its layer {layer} has no content here")
            folders.append(store(content).unpacked() / "python")
        return folders[::-1]

    def _await_answer(self, deadline: float, timed_out: str, request_id: str) -> Json:
        """Wait for one line, while the process keeps within its time and memory."""
        assert self._proc is not None  # noqa: S101 - only called after _spawn
        assert self._responses is not None  # noqa: S101
        limit = int(self.config.get("MemorySize", 128)) * 1024**2
        with selectors.DefaultSelector() as selector:
            selector.register(self._responses, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                if selector.select(min(_MEMORY_CHECK_SECONDS, max(0.0, deadline - time.monotonic()))):
                    line = self._responses.readline()
                    if line.endswith("\n"):
                        answer: Json = json.loads(line)
                        return answer
                    return self._exited(request_id)
                if _memory_bytes(self._proc.pid) > limit:
                    self._end()
                    return _ended(request_id, "Runtime exited with error: signal: killed", "Runtime.OutOfMemory")
        self._end()
        return _ended(request_id, timed_out, "Sandbox.Timedout")

    def _exited(self, request_id: str) -> Json:
        assert self._proc is not None  # noqa: S101
        status = self._proc.wait()
        how = f"exit status {status}" if status >= 0 else f"signal {-status}"
        return _ended(request_id, f"Runtime exited with error: {how}", "Runtime.ExitError")

    def _printed(self) -> str:
        """What the function printed since this was asked last."""
        if self._log is None:
            return ""
        # The child shares the file's offset: a descriptor of our own leaves it where it is.
        with Path(self._log.name).open("rb") as log:
            log.seek(getattr(self, "_printed_bytes", 0))
            printed = log.read()
            self._printed_bytes = log.tell()
        return printed.decode(errors="replace").rstrip("\n")

    def _end(self) -> None:
        """Kill the process; the next invocation starts another."""
        if self._proc is not None:
            self._proc.kill()
            self._proc.wait()

    def _discard_tmpdir(self) -> None:
        """Forget the process's files; the pool calls this after it has ended the process."""
        for stream in (self._requests, self._responses, self._log):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self._requests = self._responses = self._log = None
        self._printed_bytes = 0
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def kill(self) -> None:
        """End the process and remove its files."""
        lambda_runtime.kill_workers([self])


def _work_folder() -> Path:
    folder = current().functions / "work"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _ended(request_id: str, message: str, kind: str) -> Json:
    return {"error": {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {message}"}}


def _unsampled_trace() -> str:
    """Lambda always sets a trace header; without active tracing it says that nothing is sampled."""
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0"


def _memory_bytes(pid: int) -> int:
    """Memory of a process that cannot be given back: what Lambda's limit counts; 0 where the system does not tell."""
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return 0
    fields = dict(line.split(":", 1) for line in status.splitlines() if line.startswith("Rss"))
    return sum(int(fields.get(name, "0").split()[0]) for name in ("RssAnon", "RssShmem")) * 1024
