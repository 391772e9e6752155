"""What ``lakehouse files`` shows of the records: a line a file, and how its columns differ from its contract."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.cli.data import newest_files, print_drift, print_files
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.difference import Difference, DriftKind
from lakehouse.contracts.drift import compare
from lakehouse.metadata.file_record import FileRecord, NewFile
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.identity import file_id

PAGE = Path(__file__).resolve().parents[2] / "docs" / "contracts.md"
SHORT = Difference(DriftKind.NARROWING_CAST, "id", is_allowed=True, found="double", expected="int64")


@pytest.fixture
def records(dynamodb: Any, files_table: str) -> FileRecords:
    return FileRecords(dynamodb, files_table)


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def recorded(records: FileRecords, name: str, *drift: Difference, version: str = "v1") -> FileRecord:
    key = f"raw-data/rides/{name}"
    identity = file_id("raw", key, version_id=version)
    records.register(NewFile(identity, "raw", key, "rides", version_id=version))
    return records.describe(identity, attempt=1, drift=drift)


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_a_file_is_found_by_its_name_in_every_version_and_by_the_beginning_of_its_id(records: FileRecords) -> None:
    first, second = (recorded(records, "a.parquet", version=version) for version in ("v1", "v2"))
    other = recorded(records, "aa.parquet")

    def found(file: str) -> set[str]:
        return {record.file_id for record in newest_files(records, status=None, dataset=None, limit=50, file=file)}

    assert found("a.parquet") == {first.file_id, second.file_id}
    assert found(other.file_id[:12]) == found(other.file_id) == {other.file_id}
    assert found("b.parquet") == set()


def test_the_list_counts_a_files_differences(records: FileRecords, capsys: pytest.CaptureFixture[str]) -> None:
    print_files([recorded(records, "a.parquet", SHORT, SHORT), recorded(records, "b.parquet")])

    heading, drifted, same = lines(capsys.readouterr().out)
    end = heading.index("Drift") + len("Drift")
    assert (drifted[:end].split()[-1], same[:end].split()[-1]) == ("2", "-")


def test_very_many_differences_end_with_how_many_more_there_are(
    records: FileRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    print_drift([recorded(records, "a.parquet", *[SHORT] * 130), recorded(records, "b.parquet")])

    shown = lines(capsys.readouterr().out)
    assert shown[-1] == "… and 30 more"
    assert sum("narrowing_cast" in line for line in shown) == 100


def test_names_and_types_are_shown_as_they_are(records: FileRecords, capsys: pytest.CaptureFixture[str]) -> None:
    print_drift([recorded(records, "a.parquet", Difference(DriftKind.ADDED_COLUMN, "[red]x", True, "timestamp[us]"))])

    assert lines(capsys.readouterr().out)[-1].split() == ["[red]x", "added_column", "timestamp[us]", "-", "yes"]


def test_the_pages_example_of_drift_is_what_is_found_stored_and_shown(
    records: FileRecords, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract_text, table_text, stored = re.findall(r"```(?:yaml|text|json)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "rides.yaml").write_text(contract_text, encoding="utf-8")
    (contract,) = ContractCatalog.from_folder(tmp_path)
    columns = [("pickup_datetime", pa.string()), ("fare", pa.float32()), ("kind", pa.string()), ("tip", pa.float64())]

    record = recorded(records, "rides_2024-01.parquet", *compare(contract, pa.schema(columns)).differences)

    assert [asdict(one) for one in record.drift] == json.loads(stored)
    print_drift([record])
    assert lines(capsys.readouterr().out)[2:] == lines(table_text)
