"""The runtime inside a function's process: ``python -I -S bootstrap.py REQUESTS RESPONSES TASK_ROOT RUNTIME HANDLER``.

It belongs to neither the project nor the function: it imports nothing but the standard library, and puts on the path
what AWS Lambda puts there: the function's code first, then the SDK that the managed runtime brings.
Requests and responses are JSON lines on two file descriptors of their own, so that nothing a handler prints is taken
for its answer.

https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TextIO

_LARGEST_RESPONSE_BYTES = 6 * 1024**2 + 100


class InitError(Exception):
    """The handler could not be loaded; ``kind`` is the error type as AWS names it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def load(handler: str) -> Callable[[Any, Any], Any]:
    """Import a handler.

    Args:
        handler: ``package.module.function``; slashes count as dots.

    Returns:
        The function.

    Raises:
        InitError: It cannot be imported; anything else that the module raises passes through.
    """
    module_name, _, function_name = handler.rpartition(".")
    module_name = module_name.replace("/", ".")
    if not module_name:
        raise InitError("Runtime.MalformedHandlerName", f"Bad handler '{handler}': not enough values to unpack")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InitError("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        raise InitError("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InitError("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    return function  # type: ignore[no-any-return]


def describe(error: BaseException) -> dict[str, Any]:
    """An error as Lambda returns it.

    Args:
        error: What the function raised.

    Returns:
        ``errorMessage``, ``errorType`` and ``stackTrace``.
    """
    # The frames of this file are the runtime's, not the function's.
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return {
        "errorMessage": str(error),
        "errorType": error.kind if isinstance(error, InitError) else type(error).__name__,
        "stackTrace": traceback.format_list(frames),
    }


class Context:
    """What a handler gets beside its event.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
    client_context = None

    def __init__(self, request: dict[str, Any]) -> None:
        """Take over an invocation's facts.

        Args:
            request: The invocation.
        """
        self.aws_request_id = request["request_id"]
        self.invoked_function_arn = request["function_arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._deadline = time.monotonic() + request["timeout_seconds"]

    def get_remaining_time_in_millis(self) -> int:
        """Time left until the function is stopped, in milliseconds."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def invoke(handler: Callable[[Any, Any], Any], request: dict[str, Any]) -> dict[str, Any]:
    """Run a handler once.

    Args:
        handler: The function.
        request: The invocation.

    Returns:
        ``{"result": …}`` or ``{"error": …}``.
    """
    os.environ["_X_AMZN_TRACE_ID"] = request["trace_id"]
    try:
        result = handler(request["event"], Context(request))
    except Exception as error:  # noqa: BLE001 - whatever the function raises is its answer
        _log_error(error)
        return {"error": describe(error)}
    try:
        encoded = json.dumps(result)
    except (TypeError, ValueError) as error:
        return {"error": {"errorMessage": f"Unable to marshal response: {error}", "errorType": "Runtime.MarshalError"}}
    if len(encoded) > _LARGEST_RESPONSE_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({_LARGEST_RESPONSE_BYTES} bytes)."
        return {"error": {"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}}
    return {"result": result}


def _log_error(error: BaseException) -> None:
    told = describe(error)
    sys.stdout.write(f"[ERROR] {told['errorType']}: {told['errorMessage']}\nTraceback (most recent call last):\n")
    sys.stdout.write("".join(told["stackTrace"]))


def serve(requests: TextIO, responses: TextIO, handler_name: str) -> None:
    """Load the handler, say so, and answer invocations until the requests end.

    Args:
        requests: JSON lines, an invocation each.
        responses: JSON lines, an answer each; the first says whether the handler was loaded.
        handler_name: ``module.function``.
    """

    def answer(message: dict[str, Any]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        responses.write(json.dumps(message) + "\n")
        responses.flush()

    try:
        handler = load(handler_name)
    except Exception as error:  # noqa: BLE001 - whatever the module raises is the answer to its first invocation
        _log_error(error)
        answer({"error": describe(error)})
        return
    answer({"result": "ready"})
    for line in requests:
        answer(invoke(handler, json.loads(line)))


def main(arguments: list[str]) -> None:
    """Run the runtime.

    Args:
        arguments: Descriptor of the requests, descriptor of the responses, folder of the function's code, folder of
            the runtime's packages, handler.
    """
    requests, responses, task_root, runtime, handler = arguments
    # Lambda's order: code, layers, the runtime's SDK, the standard library.
    layers = os.environ.pop("_LAYER_FOLDERS", "").split(os.pathsep)
    sys.path[:0] = [task_root, *filter(None, layers), runtime]
    with (
        os.fdopen(int(requests), encoding="utf-8") as incoming,
        os.fdopen(int(responses), "w", encoding="utf-8") as outgoing,
    ):
        serve(incoming, outgoing, handler)


if __name__ == "__main__":
    # The folder of this file is no part of a function's path.
    sys.path = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]  # noqa: PTH100, PTH120 - os alone: the function's path is not ready
    main(sys.argv[1:])
