"""Event source mappings of DynamoDB streams: batches, filters, partial failures, retries, and what is given up.

A stream's one shard is read in order: what fails holds up what comes after it, until it succeeds or is given up.
A mapping's position is the number of the last record that it has done with, not a count of records: it stays true where
the endpoint is killed and the records since the last checkpoint are numbered anew.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import dynamodb, lambda_svc

from lakehouse.local.registry import fixes

Json = dict[str, Any]

_LAMBDA = "ministack.services.lambda_svc"
_BATCH_SIZE = 100
# AWS does not say how long it waits between tries.
_PAUSE_SECONDS = 1.0
_GAVE_UP = {True: "MaxRecordAgeExceeded", False: "RetryAttemptsExhausted"}


@dataclass(slots=True)
class _Trouble:
    """A mapping whose batch failed.

    Attributes:
        tries: Retries of the batch so far.
        size: How many records are read next, fewer than the mapping says where the batch was split.
    """

    tries: int = 0
    size: int | None = None


# By a mapping's number. It starts anew with the process: retries are counted at least.
_troubles: dict[str, _Trouble] = {}


def position_of(mapping: Json) -> str:
    """The number of the last record that a mapping has done with.

    Args:
        mapping: The mapping.

    Returns:
        The sequence number; empty where there is none.
    """
    return str(lambda_svc._dynamodb_stream_positions.get(mapping["UUID"]) or "")


def _advance(mapping: Json, record: Json) -> None:
    lambda_svc._dynamodb_stream_positions[mapping["UUID"]] = record["dynamodb"]["SequenceNumber"]
    _troubles.pop(mapping["UUID"], None)


@fixes(
    "lambda",
    "CreateEventSourceMapping",
    replaces=f"{_LAMBDA}:_init_stream_position",
    signature="(esm_id, source_arn, starting)",
    symptom="a mapping skips records after the endpoint was killed, since its position is a count of records",
)
def init_stream_position(_original: Callable[..., Any]) -> Callable[..., Any]:
    """A mapping begins at the stream's oldest record, or after its newest."""

    def replacement(esm_id: str, source_arn: str, starting: str) -> None:
        table = _table_of(source_arn)
        if table is None or esm_id in lambda_svc._dynamodb_stream_positions:
            return
        records = dynamodb.stream_live_records(table)
        newest = records[-1]["dynamodb"]["SequenceNumber"] if records else ""
        lambda_svc._dynamodb_stream_positions[esm_id] = newest if starting == "LATEST" else ""

    return replacement


def _table_of(stream_arn: str) -> str | None:
    """The table of a stream of this account and region."""
    try:
        spec = parse_arn(stream_arn)
    except ArnParseError:
        return None
    if (spec.service, spec.account_id, spec.region) != ("dynamodb", get_account_id(), get_region()):
        return None
    found = lambda_svc._dynamodb_stream_table_from_arn_spec(spec)
    return found[0] if found else None


@fixes(
    "lambda",
    "CreateEventSourceMapping",
    replaces=f"{_LAMBDA}:_poll_dynamodb_streams",
    signature="()",
    symptom="of a DynamoDB stream's batch a function's partial failures are lost, a batch is never split, and one that "
    "always fails is tried for ever",
)
def poll_dynamodb_streams(_original: Callable[..., Any]) -> Callable[..., Any]:
    """Each mapping has a batch at a time, and waits for no other mapping."""

    def replacement() -> bool:
        is_busy = False
        for account, region, mapping in lambda_svc._iter_all_esms():
            with request_scope(account, region):
                is_busy |= _poll(mapping)
        return is_busy

    return replacement


def _poll(mapping: Json) -> bool:
    """Give a mapping's function the next batch, if there is one and the function is ready for it."""
    number = mapping["UUID"]
    table = _table_of(mapping.get("EventSourceArn", ""))
    if table is None or not mapping.get("Enabled", True) or lambda_svc._esm_inflight.get(number):
        return False
    if lambda_svc._esm_backoff_until.get(number, 0) > time.time():
        return False
    function, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
    described = dynamodb._tables.get(table) or {}
    if function is None or described.get("LatestStreamArn") != mapping["EventSourceArn"]:
        return False
    batch = _unread(mapping, table)
    if not batch:
        return False
    kept = lambda_svc._apply_filter_criteria(batch, mapping)
    if not kept:
        _advance(mapping, batch[-1])
        return True
    lambda_svc._dispatch_esm_batch(number, _deliver, mapping, function, batch, kept)
    return True


def _unread(mapping: Json, table: str) -> list[Json]:
    position = position_of(mapping)
    size = _troubles.get(mapping["UUID"], _Trouble()).size or int(mapping.get("BatchSize") or _BATCH_SIZE)
    records = dynamodb.stream_live_records(table)
    # Where it is there, what follows it is unread, however the clock was set since. A stream keeps a day's records, of
    # which the last ones are asked for.
    for start in range(len(records), 0, -1):
        if _number_of(records[start - 1]) == position:
            break
    else:
        start = sum(_number_of(record) <= position for record in records)
    return list(records[start : start + size])


def _number_of(record: Json) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def _deliver(mapping: Json, function: Json, batch: list[Json], kept: list[Json]) -> None:
    answer = lambda_svc._execute_function(function, {"Records": kept})
    failed = 0 if answer.get("error") else _first_failed(mapping, answer.get("body"), kept)
    if failed is None:
        mapping["LastProcessingResult"] = "OK"
        _advance(mapping, batch[-1])
        return
    mapping["LastProcessingResult"] = "PROBLEM: Function call failed"
    if failed > 0:
        # What came before it is done with. The rest is a batch of its own, which has failed once.
        _advance(mapping, kept[failed - 1])
        _troubles[mapping["UUID"]] = _Trouble(tries=1)
    else:
        _retry(mapping, function, batch, kept, answer)
    lambda_svc._esm_backoff_until[mapping["UUID"]] = time.time() + _PAUSE_SECONDS


def _first_failed(mapping: Json, body: Any, kept: list[Json]) -> int | None:
    """Where in the batch the function wants to be called again from; None where nothing failed."""
    if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", ()):
        return None
    try:
        parsed = json.loads(body) if isinstance(body, str | bytes) else body
        failures = (parsed or {}).get("batchItemFailures") or []
        reported = {failure["itemIdentifier"] for failure in failures}
    except (AttributeError, KeyError, TypeError, ValueError):
        return 0  # an answer that AWS cannot read is a failure of the whole batch
    numbers = [record["dynamodb"]["SequenceNumber"] for record in kept]
    if not reported <= set(numbers):
        return 0
    return min((numbers.index(one) for one in reported), default=None)


def _retry(mapping: Json, function: Json, batch: list[Json], kept: list[Json], answer: Json) -> None:
    """Split a batch that failed from its first record on, try it again, or give it up."""
    trouble = _troubles.setdefault(mapping["UUID"], _Trouble())
    oldest = min(float(record["dynamodb"]["ApproximateCreationDateTime"]) for record in kept)
    longest = int(mapping.get("MaximumRecordAgeInSeconds") or -1)
    most = mapping.get("MaximumRetryAttempts")
    is_too_old = 0 < longest < time.time() - oldest
    if not is_too_old and mapping.get("BisectBatchOnFunctionError") and len(kept) > 1:
        # Splitting is no try.
        trouble.size = batch.index(kept[len(kept) // 2 - 1]) + 1
        return
    if is_too_old or (most is not None and 0 <= int(most) <= trouble.tries):
        lambda_svc._send_ddb_stream_failure_record(
            mapping, function, kept, mapping["EventSourceArn"], answer, _GAVE_UP[is_too_old]
        )
        _advance(mapping, batch[-1])
        return
    trouble.tries += 1
