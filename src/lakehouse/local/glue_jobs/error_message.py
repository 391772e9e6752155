"""The ErrorMessage of a failed job run, out of what the script wrote to standard error."""

from __future__ import annotations

import re

_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"(?P<name>[A-Za-z_][\w.]*)(: (?P<message>.*))?")
_LONGEST = 2000


def error_message(stderr: str, exit_status: int) -> str:
    """Find the exception that ended a script.

    Args:
        stderr: The end of its standard error.
        exit_status: Its exit status; negative for a signal, as ``subprocess`` has it.

    Returns:
        ``ClassName: message``, as Glue shows it, or the exit status where there was no exception.
    """
    _, found, trace = stderr.rpartition(_TRACEBACK)
    # The frames of a traceback are indented; the exception is the first line after them that is not.
    lines = [line for line in trace.splitlines() if line and not line[0].isspace()] if found else []
    exception = _EXCEPTION.fullmatch(lines[0].strip()) if lines else None
    if exception is not None:
        name = exception["name"].rpartition(".")[2]
        message = f"{name}: {exception['message']}" if exception["message"] else name
        return message[:_LONGEST]
    if exit_status < 0:
        return f"Command ended by signal {-exit_status}"
    return f"Command failed with exit code {exit_status}"
