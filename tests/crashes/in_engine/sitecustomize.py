"""Stops the engine's processes at a commit of Iceberg, or has it go wrong; see commit_points.py.

Python imports a module of this name first in every process that has its folder in PYTHONPATH.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def _takes(moment: str) -> Path | None:
    """Whether this process is to stop there, and which file is there as long as it has to."""
    wanted = Path(os.environ["COMMIT_POINTS"]) / moment
    mark = wanted.with_name(f"{moment} {os.getpid()}")
    try:
        # One process only takes it.
        wanted.rename(mark)
    except FileNotFoundError:
        return None
    return mark


def _wait_at(moment: str) -> None:
    mark = _takes(moment)
    while mark is not None and mark.exists():
        time.sleep(0.01)


def _stop_at_commits() -> None:
    # The endpoint forks other processes as well.
    if "lakehouse.local.athena.worker" not in sys.modules:
        return
    from botocore.exceptions import ReadTimeoutError
    from pyiceberg.catalog.glue import GlueCatalog

    update = GlueCatalog._update_glue_table

    def stopping(catalog, *arguments, **options):
        _wait_at("before")
        if _takes("unheard"):
            raise ReadTimeoutError(endpoint_url="Glue")
        update(catalog, *arguments, **options)
        if _takes("unanswered"):
            raise ReadTimeoutError(endpoint_url="Glue")
        if _takes("twice"):
            update(catalog, *arguments, **options)
        _wait_at("after")

    GlueCatalog._update_glue_table = stopping


os.register_at_fork(after_in_child=_stop_at_commits)
