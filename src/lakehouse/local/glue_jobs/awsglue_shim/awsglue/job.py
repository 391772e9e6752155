"""The job's life cycle. Bookmarks are of DynamicFrame sources, which are not available, so there is nothing to keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Job:
    """A job run, as scripts mark its start and end.

    Args:
        glue_context: The context.
    """

    def __init__(self, glue_context: Any) -> None:
        self.glue_context = glue_context
        self.name = ""

    def init(self, job_name: str, args: Mapping[str, str] | None = None) -> None:  # noqa: ARG002 - as in Glue
        """Mark the start.

        Args:
            job_name: The job's name.
            args: The resolved arguments.
        """
        self.name = job_name

    def commit(self) -> None:
        """Mark the end."""
