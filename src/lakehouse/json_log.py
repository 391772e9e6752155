"""One JSON line an event, for components without Powertools (the Glue job): the same fields as in the functions' logs.

``run_id`` and ``file_id`` are on every line, so that one query follows a file through all components.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def __init__(self, fields: Mapping[str, str | None]) -> None:
        """Hold the fields.

        Args:
            fields: On every line; those that are None are left out.
        """
        super().__init__()
        self._fields = {name: value for name, value in fields.items() if value is not None}

    def format(self, record: logging.LogRecord) -> str:
        """Format a record.

        Args:
            record: What was logged.

        Returns:
            One line, whatever line breaks the message has.
        """
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        event: dict[str, str | None] = {
            "level": record.levelname,
            "location": f"{record.name}:{record.lineno}",
            "message": record.getMessage(),
            "timestamp": moment.replace("+00:00", "Z"),
            **self._fields,
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
            event["exception_name"] = record.exc_info[0].__name__ if record.exc_info[0] else None
        return json.dumps(event, ensure_ascii=False)


def configure(stream: TextIO | None = None, **fields: str | None) -> None:
    """Log everything of this package from level INFO as JSON lines.

    Args:
        stream: Where to; standard output by default, which Glue sends to the job's output log.
        fields: On every line, such as ``run_id`` and ``file_id``.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter(fields))
    logger = logging.getLogger("lakehouse")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
