"""Lambda's Invoke: which functions can run here, and what their answers look like."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc, sts

from lakehouse.local.lambdas.process import FunctionProcess
from lakehouse.local.registry import executes, fixes

Json = dict[str, Any]

# Of one function at a time.
_MOST_PROCESSES = max(2, os.cpu_count() or 1)
# A function that waits for an invocation of itself has its turn all the same.
_LONGEST_WAIT_SECONDS = 60.0
_turns: dict[str, threading.BoundedSemaphore] = {}
_turns_lock = threading.Lock()

_RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"


@executes(
    "lambda",
    "Invoke",
    replaces="ministack.core.lambda_runtime:_worker_class_for",
    signature="(config)",
)
def worker_class_for(_original: Callable[..., Any]) -> Callable[..., Any]:
    """Every function runs in a process that holds its zip and Lambda's runtime alone."""
    return lambda config: FunctionProcess  # noqa: ARG005 - ministack's signature


@executes(
    "lambda",
    "Invoke",
    replaces="ministack.services.lambda_svc:_execute_function_dispatch",
    signature="(func, config, event, request_id, started)",
)
def execute_function_dispatch(original: Callable[..., Any]) -> Callable[..., Any]:
    """A runtime that this machine does not have is refused; the emulator would run it on another Python."""

    def replacement(func: Json, config: Json, event: Any, request_id: str, started: float) -> Json:
        runtime = config.get("Runtime")
        if runtime == _RUNTIME and func.get("code_zip"):
            return original(func, config, event, request_id, started)  # type: ignore[no-any-return]
        return _failure(
            {
                "errorType": "Runtime.NotExecutedLocally",
                "errorMessage": f"Function {config.get('FunctionName')} has the runtime {runtime}; the laptop runs "
                f"{_RUNTIME} zip packages only. Set its runtime to {_RUNTIME}, or run it on AWS.",
            },
            "",
        )

    return replacement


@fixes(
    "lambda",
    "Invoke",
    replaces="ministack.services.lambda_svc:_execute_function_warm",
    signature="(func, event, request_id)",
    symptom="errorType is always Runtime.HandlerError, so that no Retry or Catch on the exception's class matches",
)
def execute_function_warm(_original: Callable[..., Any]) -> Callable[..., Any]:
    """The answer carries the exception's class and stack trace, as AWS's does."""

    def replacement(func: Json, event: Any, request_id: str) -> Json:
        config = func.get("config") or func
        lambda_svc._ensure_reaper_thread()
        with _turn(config["FunctionArn"]):
            process, _ = lambda_runtime.acquire_worker(
                config["FunctionName"], config, func["code_zip"], qualifier=config.get("Version", "$LATEST")
            )
            try:
                answer = process.invoke(
                    event,
                    request_id,
                    trace_id=lambda_svc._xray_trace_id_for_invocation(config),
                    invoked_function_arn=config["FunctionArn"],
                )
            finally:
                lambda_runtime.release_worker(process)
        if "error" in answer:
            return _failure({**answer["error"], "requestId": request_id}, answer["log"])
        return {"body": answer["result"], "log": answer["log"]}

    return replacement


@contextmanager
def _turn(function_arn: str) -> Iterator[None]:
    """Wait while as many processes of a function work as this machine has processors for.

    On AWS each invocation has a machine of its own. Here, a process more for each would be a start of seconds for work
    of milliseconds, and hundreds of megabytes.
    """
    with _turns_lock:
        turns = _turns.setdefault(function_arn, threading.BoundedSemaphore(_MOST_PROCESSES))
    is_mine = turns.acquire(timeout=_LONGEST_WAIT_SECONDS)
    try:
        yield
    finally:
        if is_mine:
            turns.release()


def _failure(error: Json, log: str) -> Json:
    return {"body": error, "error": True, "log": log}


@fixes(
    "lambda",
    "Invoke",
    replaces="ministack.core.lambda_runtime:execution_credentials",
    signature="(config)",
    symptom="a function's calls are made as the account's root, not as its role",
)
def execution_credentials(_original: Callable[..., Any]) -> Callable[..., Any]:
    """A session of the function's role."""

    def replacement(config: Json) -> dict[str, str]:
        account, _ = lambda_runtime._account_region_from_function_config(config)
        name, role = config["FunctionName"], config["Role"].rsplit("/", 1)[-1]
        digest = hashlib.sha256(f"{config['FunctionArn']}:{config['Role']}".encode()).hexdigest()
        credentials = {
            "AWS_ACCESS_KEY_ID": f"ASIA{digest[:16].upper()}",
            "AWS_SECRET_ACCESS_KEY": hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
            "AWS_SESSION_TOKEN": hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
        }
        sts.register_session(
            credentials["AWS_ACCESS_KEY_ID"],
            {
                "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
                "UserId": f"{role}:{name}",
                "SecretAccessKey": credentials["AWS_SECRET_ACCESS_KEY"],
                "SessionToken": credentials["AWS_SESSION_TOKEN"],
            },
        )
        return credentials

    return replacement
