"""Glue job runs: the script runs in a process of its own, with real Spark.

This file is the table of what is replaced; each replacement is written in the module of its subject.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lakehouse.local.glue_jobs import job_runs
from lakehouse.local.registry import executes, fixes

_EMULATOR = "ministack.services.glue"

Function = Callable[..., Any]


@executes("glue", "StartJobRun", replaces=f"{_EMULATOR}:_start_job_run", signature="(data)")
def _start_job_run(original: Function) -> Function:
    return job_runs.start(original)


@executes("glue", "BatchStopJobRun", replaces=f"{_EMULATOR}:_batch_stop_job_run", signature="(data)")
def _batch_stop_job_run(original: Function) -> Function:
    return job_runs.stop(original)


@fixes(
    "glue",
    "CreateJob",
    replaces=f"{_EMULATOR}:_create_job",
    signature="(data)",
    symptom="ExecutionProperty and other settings of the job were dropped.",
)
def _create_job(original: Function) -> Function:
    return job_runs.keep_all_settings(original)


@fixes(
    "glue",
    "UpdateJob",
    replaces=f"{_EMULATOR}:_update_job",
    signature="(data)",
    symptom="ExecutionProperty and other settings of the job were dropped.",
)
def _update_job(original: Function) -> Function:
    return job_runs.keep_all_settings(original)


@fixes(
    "glue",
    "GetJobRuns",
    replaces=f"{_EMULATOR}:_get_job_runs",
    signature="(data)",
    symptom="The oldest run came first, and there were no pages.",
)
def _get_job_runs(original: Function) -> Function:
    return job_runs.newest_first(original)


@fixes(
    "glue",
    "GetJobRun: restart",
    replaces=f"{_EMULATOR}:_restore_state",
    signature="(data)",
    symptom="A run or crawl that a restart had interrupted stayed RUNNING for ever.",
)
def _restore_state(original: Function) -> Function:
    return job_runs.restore(original)
