"""Job runs: StartJobRun executes the script, with Glue's states, retries, time limit, logs and events.

Source: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-runs.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import contextvars
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services import eventbridge, glue

from lakehouse.errors import LakehouseError
from lakehouse.local import place
from lakehouse.local.glue_jobs import arguments as job_arguments
from lakehouse.local.glue_jobs.attempt import Attempt
from lakehouse.local.glue_jobs.job_files import prepare_in_background
from lakehouse.local.glue_jobs.job_process import JobProcess

Response = tuple[Any, ...]
Handler = Callable[[dict[str, Any]], Response]
JobRun = dict[str, Any]

_log = logging.getLogger(__name__)
_ACTIVE = frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"})
_KEPT_AT_CREATE = ("ExecutionProperty", "NotificationProperty", "ExecutionClass", "JobMode", "LogUri")
# By run id, while the run is active.
_processes: dict[str, JobProcess] = {}
_starting = threading.Lock()


def keep_all_settings(original: Handler) -> Handler:
    """CreateJob and UpdateJob: keep what the emulator drops, of which MaxConcurrentRuns decides about runs.

    The job's modules are unpacked from then on, beside whatever is deployed next.

    Args:
        original: Stores the job.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> Response:
        answer = original(data)
        given = data.get("JobUpdate", data)
        job = glue._jobs.get(data.get("JobName") or data.get("Name"))
        if job is not None and answer[0] < 300:
            job.update({name: given[name] for name in _KEPT_AT_CREATE if name in given})
            prepare_in_background(job)
        return answer

    return replacement


def start(_original: Handler) -> Handler:
    """StartJobRun: run the script in a process.

    Args:
        _original: The emulator's, which says SUCCEEDED without running anything.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> Response:
        job = glue._jobs.get(data.get("JobName"))
        if job is None:
            return _error("EntityNotFoundException", f"Failed to find the job {data.get('JobName')}")
        arguments = job_arguments.merged(job, data.get("Arguments") or {})
        refusals = job_arguments.refusals(job, arguments)
        if refusals:
            return _error(
                "InvalidInputException",
                f"The local endpoint cannot run the job {job['Name']}: {'; '.join(refusals)}",
            )
        with _starting:
            runs = glue._job_runs.setdefault(job["Name"], [])
            limit = int((job.get("ExecutionProperty") or {}).get("MaxConcurrentRuns", 1))
            if sum(run["JobRunState"] in _ACTIVE for run in runs) >= limit:
                return _error(
                    "ConcurrentRunsExceededException", f"Concurrent runs exceeded for {job['Name']}: at most {limit}"
                )
            run = _new_run(job, data, arguments)
            runs.append(run)
        # Threads have no account and region of their own.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(_run_attempts, dict(job), run), daemon=True).start()
        return _answer({"JobRunId": run["Id"]})

    return replacement


def _error(code: str, message: str) -> Response:
    answer: Response = error_response_json(code, message, 400)
    return answer


def _answer(body: dict[str, Any]) -> Response:
    answer: Response = json_response(body)
    return answer


def _new_run(job: dict[str, Any], data: dict[str, Any], arguments: dict[str, str]) -> JobRun:
    now = time.time()
    run = {
        "Id": f"jr_{new_uuid().replace('-', '')}",
        "Attempt": 0,
        "JobName": job["Name"],
        "StartedOn": now,
        "LastModifiedOn": now,
        "JobRunState": "STARTING",
        "Arguments": arguments,
        "PredecessorRuns": [],
        "ExecutionTime": 0,
        "Timeout": data.get("Timeout") or job.get("Timeout") or 2880,
        "LogGroupName": "/aws-glue/jobs",
        "GlueVersion": job.get("GlueVersion"),
        "WorkerType": data.get("WorkerType") or job.get("WorkerType"),
        "NumberOfWorkers": data.get("NumberOfWorkers") or job.get("NumberOfWorkers"),
        "SecurityConfiguration": data.get("SecurityConfiguration") or job.get("SecurityConfiguration"),
        "ExecutionClass": data.get("ExecutionClass") or job.get("ExecutionClass"),
    }
    _processes[run["Id"]] = JobProcess()
    return {name: value for name, value in run.items() if value is not None}


def _run_attempts(job: dict[str, Any], run: JobRun) -> None:
    """Run, and run again while it fails and the job has retries left."""
    first = run["Id"]
    for attempt in range(int(job.get("MaxRetries") or 0) + 1):
        if attempt:
            following = {
                **{name: value for name, value in run.items() if name not in ("ErrorMessage", "CompletedOn")},
                "Id": f"{first}_attempt_{attempt}",
                "Attempt": attempt,
                "PreviousRunId": run["Id"],
                "StartedOn": time.time(),
                "JobRunState": "STARTING",
                "ExecutionTime": 0,
            }
            run = following
            _processes[run["Id"]] = JobProcess()
            glue._job_runs[job["Name"]].append(run)
        _run_once(job, run)
        if run["JobRunState"] != "FAILED":
            return


def _run_once(job: dict[str, Any], run: JobRun) -> None:
    process = _processes[run["Id"]]
    attempt = Attempt(job, run, process)
    try:
        state = attempt.execute()
    except LakehouseError as error:
        run["ErrorMessage"] = f"LAUNCH ERROR | {error}"
        state = "FAILED"
    except Exception as error:  # noqa: BLE001 - a run never stays RUNNING because of a defect of ours
        _log.exception("The job run %s failed in the executor itself", run["Id"])
        run["ErrorMessage"] = f"Internal service failure: {type(error).__name__}: {error}"
        state = "FAILED"
    finally:
        del _processes[run["Id"]]
    _finish(run, state, attempt.running_since)
    attempt.clean()


def _finish(run: JobRun, state: str, running_since: float | None) -> None:
    now = time.time()
    seconds = round(now - (running_since or now))
    run.update(CompletedOn=now, LastModifiedOn=now, ExecutionTime=seconds, JobRunState=state)
    detail = {
        "jobName": run["JobName"],
        "jobRunId": run["Id"],
        "severity": "INFO" if state in ("SUCCEEDED", "STOPPED") else "ERROR",
        "state": state,
        "message": run.get("ErrorMessage") or f"Job run {state.lower()}",
    }
    entry = {"Source": "aws.glue", "DetailType": "Glue Job State Change", "Detail": json.dumps(detail)}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def stop(_original: Handler) -> Handler:
    """BatchStopJobRun: kill the processes; the runs are STOPPED once they are gone.

    Args:
        _original: The emulator's, which only changes the state.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> Response:
        name = data.get("JobName")
        runs = {run["Id"]: run for run in glue._job_runs.get(name, [])}
        done, errors = [], []
        for run_id in data.get("JobRunIds", []):
            run, process = runs.get(run_id), _processes.get(run_id)
            if run is None:
                errors.append(_stop_error(name, run_id, "EntityNotFoundException", "There is no such job run"))
            elif process is None or run["JobRunState"] not in _ACTIVE:
                state = run["JobRunState"]
                errors.append(_stop_error(name, run_id, "InvalidInputException", f"The job run is {state} already"))
            else:
                run["JobRunState"] = "STOPPING"
                process.stop()
                done.append({"JobName": name, "JobRunId": run_id})
        return _answer({"SuccessfulSubmissions": done, "Errors": errors})

    return replacement


def _stop_error(name: Any, run_id: str, code: str, message: str) -> dict[str, Any]:
    return {"JobName": name, "JobRunId": run_id, "ErrorDetail": {"ErrorCode": code, "ErrorMessage": message}}


def newest_first(original: Handler) -> Handler:
    """GetJobRuns: the newest first, as on AWS.

    Args:
        original: Lists the runs in the order of their start.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> Response:
        if data.get("JobName") not in glue._jobs:
            return original(data)
        runs = sorted(glue._job_runs.get(data["JobName"], []), key=lambda run: float(run["StartedOn"]), reverse=True)
        start = int(data.get("NextToken") or 0)
        end = start + int(data.get("MaxResults") or 200)
        return _answer({"JobRuns": runs[start:end], **({"NextToken": str(end)} if end < len(runs) else {})})

    return replacement


def restore(original: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """After a restart: runs and crawls that were active when the endpoint ended are FAILED, with that as the reason.

    Args:
        original: Loads the records.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> None:
        original(data)
        # What runs of a killed endpoint have left on disk.
        shutil.rmtree(place.current().jobs, ignore_errors=True)
        now = time.time()
        for runs in glue._job_runs.all_values():
            for run in runs:
                if run["JobRunState"] in _ACTIVE and run["Id"] not in _processes:
                    run.update(
                        JobRunState="FAILED",
                        CompletedOn=now,
                        LastModifiedOn=now,
                        ErrorMessage="The endpoint stopped during this run. Start the job again.",
                    )
        for crawler in glue._crawlers.all_values():
            if crawler.get("State") in ("RUNNING", "STOPPING"):
                crawler["State"] = "READY"
                crawler["LastCrawl"] = {
                    "Status": "FAILED",
                    "ErrorMessage": "The endpoint stopped during this crawl. Start the crawler again.",
                    "LogGroup": "/aws-glue/crawlers",
                    "LogStream": crawler["Name"],
                    "StartTime": now,
                }

    return replacement
