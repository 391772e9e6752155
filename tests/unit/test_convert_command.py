"""``lakehouse convert`` on files of this machine."""

from __future__ import annotations

import errno
import gzip
import json
import os
import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from lakehouse.cli.main import lakehouse
from lakehouse.convert import standalone
from lakehouse.errors import CommandError, LakehouseError, QuarantineThresholdError
from lakehouse.sample import generate

METERS = """
apiVersion: v3.1.0
kind: DataContract
id: meters
version: 1.0.0
status: active
schema:
  - name: meters
    properties:
      - {name: id, logicalType: integer, physicalType: int64, required: true}
      - {name: value, logicalType: integer, physicalType: int64, logicalTypeOptions: {minimum: 0}}
customProperties:
  - {property: filePattern, value: "meters_*.parquet"}
  - {property: quarantineThreshold, value: 0.5}
  - {property: nulls, value: omit}
"""


@pytest.fixture
def meters(tmp_path: Path) -> Path:
    path = tmp_path / "meters_1.parquet"
    pq.write_table(pa.table({"id": [1, 2, 3, 4], "value": [5, -1, None, 7]}), path)
    return path


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    path = tmp_path / "contracts" / "meters.yaml"
    path.parent.mkdir()
    path.write_text(METERS)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(lakehouse, ["convert", *map(str, arguments)], catch_exceptions=True)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_becomes_json_beside_it(meters) -> None:
    done = run(meters)

    assert done.exit_code == 0, done.output
    assert lines(meters.with_suffix(".json"))[1] == {"id": 2, "value": -1}
    assert "4 rows" in done.output
    assert names(meters.parent) == ["meters_1.json", "meters_1.parquet"]


def test_a_contract_sorts_out_the_rows_that_break_its_rules_and_says_how_the_json_is_stored(meters, contract) -> None:
    done = run(meters, "--contract", contract)

    assert done.exit_code == 0, done.output
    assert lines(meters.with_suffix(".json")) == [{"id": 1, "value": 5}, {"id": 3}, {"id": 4, "value": 7}]
    (rejected,) = lines(meters.parent / "meters_1.quarantine.json")
    assert rejected == {"row_number": 2, "broken_rules": ["value_range"], "row": {"id": 2, "value": -1}}
    assert "value_range" in done.output


def test_options_overrule_the_contract(meters, contract) -> None:
    done = run(meters, "--contract", contract, "--nulls", "explicit", "--compression", "gzip", "--output", "json")

    assert done.exit_code == 0, done.output
    stored = gzip.decompress((meters.parent / "meters_1.json.gz").read_bytes())
    assert json.loads(stored.splitlines()[1]) == {"id": 3, "value": None}
    told = json.loads(done.stdout)
    assert (told["rows_read"], told["rows_written"], told["rows_rejected"]) == (4, 3, 1)
    assert told["output"]["size_bytes"] == (meters.parent / "meters_1.json.gz").stat().st_size


def test_an_output_of_limited_size_is_several_files_and_their_manifest(tmp_path) -> None:
    source = generate(tmp_path / "trips.parquet", rows=3_000, dirty_share=0, seed=1).path

    done = run(source, "-o", f"{tmp_path}/out/", "--max-object-bytes", 200_000)

    assert done.exit_code == 0, done.output
    parts = sorted((tmp_path / "out" / "trips.parts").glob("0*.json"))
    manifest = json.loads((tmp_path / "out" / "trips.parts" / "_manifest.json").read_text())
    assert len(parts) > 3
    assert [entry["url"] for entry in manifest["entries"]] == [str(part) for part in parts]
    for entry, part in zip(manifest["entries"], parts, strict=True):
        assert entry["meta"] == {"content_length": part.stat().st_size, "record_count": len(lines(part))}
        assert part.stat().st_size <= 200_000
    run(source, "-o", tmp_path / "whole.json")
    assert b"".join(part.read_bytes() for part in parts) == (tmp_path / "whole.json").read_bytes()


@pytest.fixture
def few_open_files():
    """A process that may open a few files more, until it asks for what it may have at most."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) + 60, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_an_output_of_more_files_than_a_process_has_open_at_first_is_whole(tmp_path, few_open_files) -> None:
    source = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": list(range(10_000))}), source)

    done = run(source, "-o", f"{tmp_path}/out/", "--max-object-bytes", 1_000)

    assert done.exit_code == 0, done.output
    parts = sorted((tmp_path / "out" / "a.parts").glob("0*.json"))
    assert len(parts) > 100
    assert [line["a"] for part in parts for line in lines(part)] == list(range(10_000))


def test_an_output_of_more_files_than_may_be_open_at_all_says_what_to_do(meters, tmp_path, monkeypatch) -> None:
    def refuse(path: Path) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(standalone, "LocalFileWriter", refuse)

    done = run(meters, "-o", tmp_path / "out.json")

    assert isinstance(done.exception, CommandError)
    assert "Raise --max-object-bytes" in str(done.exception)


def test_over_the_threshold_only_the_rejected_rows_appear(meters, contract, tmp_path) -> None:
    contract.write_text(METERS.replace("0.5", "0.1"))

    done = run(meters, "--contract", contract, "-o", tmp_path / "out" / "a.json")

    assert isinstance(done.exception, QuarantineThresholdError)
    assert names(tmp_path / "out") == ["a.quarantine.json"]


@pytest.mark.parametrize("options", [[], ["--max-object-bytes", "10"]])
def test_a_file_that_cannot_be_read_leaves_nothing(tmp_path, options) -> None:
    source = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": list(range(100_000))}), source, compression="none", use_dictionary=False)
    content = bytearray(source.read_bytes())
    content[200_000:200_100] = b"\xff" * 100
    pq_meta = pq.ParquetFile(source).metadata.row_group(0).column(0)
    content[pq_meta.data_page_offset : pq_meta.data_page_offset + 30] = b"\x00" * 30
    source.write_bytes(content)

    done = run(source, "-o", tmp_path / "out" / "a.json", *options)

    assert isinstance(done.exception, LakehouseError)
    assert names(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.parquet"], "no such file"),
        (["a.parquet", "--contract", "nope"], "no contract for 'nope'"),
        (["a.parquet", "-o", "s3://bucket"], "names no object"),
        (["s3:///key"], "names no object"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, said, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert isinstance(done.exception, LakehouseError)
    assert said in str(done.exception)


def test_a_place_that_cannot_be_written_is_named(meters, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    done = run(meters, "-o", tmp_path / "file" / "a.json")
    assert isinstance(done.exception, CommandError)
    assert str(tmp_path / "file") in str(done.exception)


def test_no_checkout_is_needed(meters, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LAKEHOUSE_ROOT", str(tmp_path / "no-checkout"))
    assert run(meters).exit_code == 0
