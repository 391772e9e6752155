"""The Terraform configuration, applied to the local endpoint.

The tracked configuration is never touched: it is copied below the endpoint's home, where a generated override file
(https://developer.hashicorp.com/terraform/language/files/override) swaps the S3 backend for a local one and turns on
path-style S3 addresses.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.errors import CommandError
from lakehouse.local.endpoint import Endpoint
from lakehouse.local.terraform_mirror import init_arguments

_OVERRIDE = """\
terraform {{
  backend "local" {{
    path = "{state}"
  }}
}}

provider "aws" {{
  s3_use_path_style = true
}}
"""

# The provider waits for S3 and KMS to settle, resource by resource: side by side these waits are one wait.
_PARALLELISM = "-parallelism=40"


@dataclass(frozen=True, slots=True)
class TerraformProgress:
    """One step of an apply or destroy.

    Attributes:
        done: Resources finished.
        total: Resources to change, 0 until the plan is known.
        address: The resource just started or finished.
    """

    done: int
    total: int
    address: str


ProgressCallback = Callable[[TerraformProgress], None]


def _silent(_: TerraformProgress) -> None:
    """Show nothing."""


class Stack:
    """The lakehouse's Terraform on one endpoint.

    Args:
        endpoint: The endpoint; it must be up for everything but ``is_applied`` and ``outputs``.
        configuration: The tracked root module.
        package: The folder of the built artifacts.
    """

    def __init__(self, endpoint: Endpoint, configuration: Path, package: Path) -> None:
        self._endpoint = endpoint
        self._configuration = configuration
        self._package = package
        self.folder = endpoint.home / "terraform"

    @property
    def _work(self) -> Path:
        return self.folder / "configuration"

    @property
    def _applied(self) -> Path:
        return self.folder / "applied.json"

    def is_applied(self) -> bool:
        """Whether an apply ever went through on this home."""
        return self._applied.is_file()

    def is_current(self) -> bool:
        """Whether the last apply was of exactly the present configuration and artifacts."""
        return self.is_applied() and bool(json.loads(self._applied.read_text())["fingerprint"] == self._fingerprint())

    def outputs(self) -> dict[str, Any]:
        """Terraform's outputs as of the last apply, in the form of ``terraform output -json``."""
        outputs: dict[str, Any] = json.loads(self._applied.read_text())["outputs"]
        return outputs

    def apply(self, on_progress: ProgressCallback = _silent) -> None:
        """Create or change everything, in one go.

        Args:
            on_progress: Called as resources are started and finished.

        Raises:
            CommandError: Terraform failed; the message is Terraform's own.
            PrerequisiteError: Neither the registry nor a provider mirror can be reached.
        """
        self._prepare()
        # Taken before: what changes while Terraform works was not applied.
        fingerprint = self._fingerprint()
        self._change("apply", on_progress)
        outputs = json.loads(self._terraform("output", "-json"))
        content = json.dumps({"fingerprint": fingerprint, "outputs": outputs}, indent=2)
        self._applied.write_text(content, encoding="utf-8")

    def drift(self) -> str:
        """What ``terraform plan`` would change now.

        Returns:
            The plan's text, empty when it is clean.

        Raises:
            CommandError: The plan itself failed.
        """
        self._prepare()
        done = self._run(["plan", "-detailed-exitcode", "-no-color", *self._variables()])
        if done.returncode == 1:
            raise CommandError(f"terraform plan failed: {done.stderr.strip()}")
        if done.returncode == 0:
            return ""
        _refreshed, _, plan = done.stdout.partition("Terraform used the selected providers")
        return plan or done.stdout

    def destroy(self, on_progress: ProgressCallback = _silent) -> None:
        """Remove everything that an apply made.

        Args:
            on_progress: Called as resources are started and finished.

        Raises:
            CommandError: Terraform failed.
        """
        self._prepare()
        self._change("destroy", on_progress)
        self._applied.unlink(missing_ok=True)

    def _sources(self) -> Iterator[Path]:
        for path in sorted(self._configuration.rglob("*")):
            relative = path.relative_to(self._configuration)
            if path.is_file() and ".terraform" not in relative.parts and "tests" not in relative.parts:
                yield relative

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        files = {str(path): self._configuration / path for path in self._sources()}
        files |= {f"package/{path.name}": path for path in self._package.iterdir() if path.is_file()}
        for name, path in sorted(files.items()):
            digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def _prepare(self) -> None:
        """Lay out the copy and initialise it where that was not done for the same providers."""
        if self._work.exists():
            shutil.rmtree(self._work)
        for relative in self._sources():
            target = self._work / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self._configuration / relative, target)
        state = self.folder / "terraform.tfstate"
        (self._work / "laptop_override.tf").write_text(_OVERRIDE.format(state=state), encoding="utf-8")
        # `init` is needed again when a module is added or the provider's version changes: it is quick enough always.
        self._terraform("init", "-no-color", *init_arguments())

    def _variables(self) -> list[str]:
        return ["-var-file=environments/local/terraform.tfvars", f"-var=package_dir={self._package}"]

    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_VAR_", "TF_CLI_ARGS"))
        }
        if not Path(inherited.get("TF_CLI_CONFIG_FILE", "/")).is_file():
            inherited.pop("TF_CLI_CONFIG_FILE", None)  # Terraform would warn about the missing file at every command
        settings = {"TF_DATA_DIR": str(self.folder / "data"), "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
        return {**inherited, **self._endpoint.environment(), **settings}

    def _command(self, arguments: list[str]) -> list[str]:
        return ["terraform", f"-chdir={self._work}", *arguments]

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                self._command(arguments), env=self._environment(), capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            raise CommandError("terraform is not on PATH. Run: lakehouse doctor") from error

    def _terraform(self, *arguments: str) -> str:
        done = self._run(list(arguments))
        if done.returncode:
            raise CommandError(f"terraform {arguments[0]} failed:\n{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _change(self, verb: str, on_progress: ProgressCallback) -> None:
        """Run apply or destroy, reading Terraform's JSON lines as it goes.

        The lines: https://developer.hashicorp.com/terraform/internals/machine-readable-ui
        """
        arguments = [verb, "-auto-approve", "-json", _PARALLELISM, *self._variables()]
        done = total = 0
        errors: list[str] = []
        with subprocess.Popen(
            self._command(arguments),
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            for line in process.stdout or ():
                message = _json_line(line)
                kind = message.get("type")
                if kind == "change_summary":
                    changes = message["changes"]
                    total = total or changes["add"] + changes["change"] + changes["remove"]
                elif kind in {"apply_start", "apply_complete"} and message["hook"].get("action") != "read":
                    done += kind == "apply_complete"
                    on_progress(TerraformProgress(done, total, message["hook"]["resource"]["addr"]))
                elif message.get("@level") == "error":
                    errors.append(_diagnostic(message))
        if process.returncode:
            raise CommandError(f"terraform {verb} failed:\n" + "\n".join(errors or [f"exit code {process.returncode}"]))


def _json_line(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        # A crash of Terraform or of a provider prints plain text: keep it for the error.
        return {"@level": "error", "@message": line.rstrip()}
    return message if isinstance(message, dict) else {}


def _diagnostic(message: dict[str, Any]) -> str:
    found = message.get("diagnostic")
    if not found:
        return str(message.get("@message", ""))
    where = found.get("range") or {}
    place = f" ({where['filename']}:{where['start']['line']})" if where else ""
    return f"{found.get('address', '')}{place}: {found['summary']} {found.get('detail', '')}".strip(": ")
