"""Writers at the same moment, against the local endpoint's DynamoDB: exactly one wins."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from lakehouse.errors import MetadataError, RecordExistsError, StatusConflictError
from lakehouse.metadata.file_record import FileStatus, NewFile
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.watermarks import Watermarks

WRITERS = 8
RESULT = {"rows_read": 3, "rows_written": 2, "rows_quarantined": 1}


def _table(client: Any, name: str, key: str) -> str:
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
    )
    return name


@pytest.fixture(scope="module")
def records(aws: Callable[..., Any]) -> FileRecords:
    client = aws("dynamodb")
    return FileRecords(client, _table(client, "concurrency-files", "file_id"))


def all_at_once(work: Callable[[int], Any]) -> list[Any]:
    """Every writer's answer, or the error that refused it."""
    barrier = Barrier(WRITERS)

    def one(number: int) -> Any:
        barrier.wait()
        try:
            return work(number)
        except MetadataError as error:
            return error

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(one, range(WRITERS)))


@pytest.mark.parametrize("round_number", range(5))
def test_of_many_writers_one_registers_one_starts_and_one_succeeds(records: FileRecords, round_number: int) -> None:
    file_id = f"{round_number:032x}"
    new = NewFile(file_id, "raw", "raw-data/trips/a.parquet", "trips")
    registered = all_at_once(lambda _: records.register(new))
    assert [type(one) for one in registered].count(RecordExistsError) == WRITERS - 1

    started = all_at_once(
        lambda number: records.start(file_id, attempt=1, engine="spark", execution_arn=f"arn:{number}")
    )
    assert [type(one) for one in started].count(StatusConflictError) == WRITERS - 1
    (owner,) = [one.execution_arn for one in started if not isinstance(one, Exception)]
    assert records.get(file_id).execution_arn == owner

    ended = all_at_once(
        lambda number: (
            records.succeed(file_id, attempt=1, result=RESULT | {"output_uri": f"s3://processed/{number}"})
            if number % 2
            else records.fail(file_id, attempt=1, error_type="E", reason=str(number))
        )
    )
    (winner,) = [one for one in ended if not isinstance(one, Exception)]
    assert records.get(file_id) == winner
    assert winner.status in {FileStatus.SUCCEEDED, FileStatus.FAILED}


def test_a_watermark_ends_at_the_highest_of_many_values(aws: Callable[..., Any]) -> None:
    client = aws("dynamodb")
    watermarks = Watermarks(client, _table(client, "concurrency-watermarks", "source"))
    all_at_once(lambda number: watermarks.advance("orders", f"2022-01-{number + 1:02}"))
    stored = watermarks.get("orders")
    assert stored is not None
    assert stored.value == f"2022-01-{WRITERS:02}"
