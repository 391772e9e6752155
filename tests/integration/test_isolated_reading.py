"""The process that reads parquet files may crash, hang and bloat: nobody else is harmed, and the file is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.convert import isolated_reading, reading_child
from lakehouse.convert.source import LocalSource, inspect, iter_batches
from lakehouse.errors import CorruptFileError, ReaderCrashedError, ReaderMemoryError, ReaderStartError

# Its size statistics have a wrong length: pyarrow throws where nobody catches.
ABORTING = Path(__file__).resolve().parents[1] / "fuzz" / "kept" / "size_statistics_abort_pyarrow.parquet"
ROWS = 2_000_000


@pytest.fixture
def readers(monkeypatch):
    """The reading processes that a test starts, none of them older than the test."""
    started = []

    def start():
        started.append(reading_child.ReadingChild())
        return started[-1]

    isolated_reading._pool().close()
    monkeypatch.setattr(isolated_reading, "ReadingChild", start)
    yield started
    isolated_reading._pool().close()


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> LocalSource:
    """16 MB in four row groups: much more than a pipe holds."""
    path = tmp_path_factory.mktemp("files") / "large.parquet"
    pq.write_table(pa.table({"n": np.arange(ROWS)}), path, row_group_size=ROWS // 4, compression="none")
    return LocalSource(path)


def numbers(batches) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int64), *(batch.data.column("n").to_numpy() for batch in batches)])


# --- crashes ------------------------------------------------------------------------------------------------------


def test_a_file_that_aborts_pyarrow_is_refused_and_the_next_one_is_read(large) -> None:
    with pytest.raises(ReaderCrashedError, match=rf"{ABORTING.name}: reading row group 0, .* SIGABRT .*size mismatch"):
        list(iter_batches(LocalSource(ABORTING)))
    assert inspect(large).rows == ROWS


@pytest.mark.parametrize("fault", [signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL])
def test_a_crash_in_the_middle_is_the_files_fault(readers, large, fault) -> None:
    batches = iter_batches(large, batch_rows=10_000)
    next(batches)
    os.kill(readers[0].pid, fault)

    with pytest.raises(ReaderCrashedError, match=rf"large\.parquet: reading row groups? \d.* {fault.name}"):
        list(batches)
    assert len(readers) == 1


def test_a_reader_that_is_killed_once_is_replaced_and_no_row_is_lost_or_doubled(readers, large) -> None:
    batches = iter_batches(large, batch_rows=10_000)
    first = [next(batches) for _ in range(7)]
    os.kill(readers[0].pid, signal.SIGKILL)

    rest = list(batches)

    assert np.array_equal(numbers(first + rest), np.arange(ROWS))
    assert all(batch.data.column("n")[0].as_py() == batch.first_row for batch in first + rest)
    assert len(readers) == 2


def test_a_reader_that_is_killed_again_and_again_blames_memory_or_the_file(readers, large) -> None:
    batches = iter_batches(large, batch_rows=10_000)
    next(batches)
    os.kill(readers[0].pid, signal.SIGKILL)
    next(batches)
    while len(readers) < 2:
        next(batches)
    os.kill(readers[1].pid, signal.SIGKILL)

    with pytest.raises(ReaderCrashedError, match=r"large\.parquet.*SIGKILL.* 2 times.*short of memory"):
        list(batches)


def test_a_reader_that_hangs_is_stopped(readers, large, monkeypatch) -> None:
    batches = iter_batches(large, batch_rows=10_000)
    next(batches)
    monkeypatch.setattr(reading_child, "SILENCE_SECONDS", 0.5)
    os.kill(readers[0].pid, signal.SIGSTOP)

    with pytest.raises(ReaderCrashedError, match=r"large\.parquet: reading row group.* made no progress"):
        list(batches)
    assert not readers[0].is_alive


def test_a_consumer_that_takes_its_time_is_no_hang(readers, large, monkeypatch) -> None:
    batches = iter_batches(large)
    first = next(batches)
    monkeypatch.setattr(reading_child, "SILENCE_SECONDS", 2)
    time.sleep(2.5)

    assert np.array_equal(numbers([first, *batches]), np.arange(ROWS))
    assert len(readers) == 1


@pytest.mark.parametrize("executable", ["/bin/false", "/no/such/python"])
def test_a_reader_that_cannot_start_is_not_the_files_fault(readers, large, monkeypatch, executable) -> None:
    monkeypatch.setattr(sys, "executable", executable)

    with pytest.raises(ReaderStartError):
        inspect(large)


# --- memory -------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_readers(readers, monkeypatch):
    monkeypatch.setattr(reading_child, "_memory_bytes", lambda: 400 * 2**20)
    return readers


@pytest.mark.e2e
def test_a_value_larger_than_the_reader_may_take_is_refused(small_readers, tmp_path) -> None:
    path = tmp_path / "bomb.parquet"
    value = pa.array([bytes(300 * 2**20)], pa.large_binary())
    pq.write_table(pa.table({"value": value}), path, compression="zstd", use_dictionary=False, write_statistics=False)
    assert path.stat().st_size < 2**20

    with pytest.raises(ReaderMemoryError, match=r"bomb\.parquet: reading row group 0 takes more memory"):
        list(iter_batches(LocalSource(path)))


@pytest.mark.e2e
def test_texts_that_explode_late_are_read_again_in_smaller_batches(small_readers, tmp_path) -> None:
    path = tmp_path / "late.parquet"
    texts = ["short", "long" * 25_000]
    indices = (np.arange(30_000) >= 25_000).astype(np.int32)
    array = pa.DictionaryArray.from_arrays(indices, texts)
    pq.write_table(pa.table({"text": array}), path, store_schema=False)

    lengths = []
    for batch in iter_batches(LocalSource(path)):
        assert batch.data.nbytes <= 32 * 2**20
        lengths += pa.compute.binary_length(batch.data.column(0)).to_pylist()

    assert lengths == [len(texts[index]) for index in indices]
    assert len(small_readers) > 1


# --- what a reader is ---------------------------------------------------------------------------------------------


def test_one_reader_serves_one_file_after_the_other(readers, large) -> None:
    for _ in range(3):
        assert inspect(large).rows == ROWS
        assert np.array_equal(numbers(iter_batches(large)), np.arange(ROWS))
    assert len(readers) == 1


def test_a_reader_that_met_a_broken_file_or_was_left_in_the_middle_is_not_used_again(readers, large, tmp_path) -> None:
    path = tmp_path / "broken.parquet"
    content = bytearray(large.path.read_bytes())
    content[-100:-8] = bytes(92)
    path.write_bytes(content)

    with pytest.raises(CorruptFileError):
        inspect(LocalSource(path))
    batches = iter_batches(large, batch_rows=10_000)
    next(batches)
    batches.close()
    assert not readers[0].is_alive
    assert not readers[1].is_alive
    assert inspect(large).rows == ROWS


def test_a_reader_that_died_while_it_waited_is_replaced(readers, large) -> None:
    inspect(large)
    os.kill(readers[0].pid, signal.SIGSEGV)
    readers[0]._process.wait()

    assert inspect(large).rows == ROWS


def test_several_threads_read_at_once(readers, large) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: numbers(iter_batches(large)), range(8)))

    assert all(np.array_equal(result, np.arange(ROWS)) for result in results)
    assert len(readers) <= 8
    assert sum(reader.is_alive for reader in readers) <= 2


def test_columns_arrive_as_pyarrow_reads_them(tmp_path) -> None:
    table = pa.table(
        {
            "word": pa.array(["a", None, "b"]).dictionary_encode(),
            "nested": pa.array([[{"x": 1}], None, []], pa.list_(pa.struct([pa.field("x", pa.int8())]))),
            "id": pa.array([bytes(16)] * 3, pa.uuid()),
            "noted": pa.array([1.5, None, 2.5], pa.float16()),
        }
    )
    table = table.cast(table.schema.set(3, table.schema.field(3).with_metadata({"unit": "m"})))
    path = tmp_path / "types.parquet"
    pq.write_table(table.replace_schema_metadata({"origin": "here"}), path)

    (batch,) = iter_batches(LocalSource(path))
    expected = pq.ParquetFile(path)

    assert inspect(LocalSource(path)).schema.equals(expected.schema_arrow, check_metadata=True)
    assert batch.data.schema.equals(expected.schema_arrow, check_metadata=True)
    assert pa.Table.from_batches([batch.data]) == expected.read()


@pytest.mark.skipif(sys.platform != "linux", reason="Looks at /proc")
def test_a_reader_knows_no_credentials(readers, large, monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    inspect(large)

    assert b"AWS_" not in Path(f"/proc/{readers[0].pid}/environ").read_bytes()


def run(code: str, *arguments: str, flags: tuple[str, ...] = ()) -> subprocess.Popen:
    command = [sys.executable, *flags, "-c", code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_reader_finds_what_its_parent_finds(large) -> None:
    code = (
        "import json, sys; sys.path[:] = json.loads(sys.argv[1])\n"
        "from lakehouse.convert.source import LocalSource, inspect\n"
        "print(inspect(LocalSource(sys.argv[2])).rows)"
    )
    with run(code, json.dumps(sys.path), str(large.path), flags=("-I", "-S")) as process:
        assert process.communicate()[0].strip() == str(ROWS)


@pytest.mark.parametrize("state", ["waiting", "reading"])
def test_a_reader_ends_when_its_parent_is_killed(large, state) -> None:
    code = (
        "import sys, time\n"
        "from lakehouse.convert import isolated_reading\n"
        "from lakehouse.convert.source import LocalSource, inspect, iter_batches\n"
        "source = LocalSource(sys.argv[1])\n"
        "inspect(source)\n"
        "print(isolated_reading._pool()._idle[0].pid, flush=True)\n"
        "batches = iter_batches(source, batch_rows=1000)\n"
        "if sys.argv[2] == 'reading': next(batches)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with run(code, str(large.path), state) as process:
        reader = int(process.stdout.readline())
        process.stdout.readline()
        process.kill()
        process.wait()
        for _ in range(200):
            if not _is_running(reader):
                break
            time.sleep(0.05)
    assert not _is_running(reader)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_forked_process_has_a_reader_of_its_own(large) -> None:
    code = (
        "import os, sys\n"
        "from lakehouse.convert import isolated_reading\n"
        "from lakehouse.convert.source import LocalSource, inspect\n"
        "source = LocalSource(sys.argv[1])\n"
        "inspect(source)\n"
        "mine = isolated_reading._pool()._idle[0].pid\n"
        "if os.fork() == 0:\n"
        "    rows = inspect(source).rows\n"
        "    os._exit(0 if rows and isolated_reading._pool()._idle[0].pid != mine else 1)\n"
        "status = os.wait()[1]\n"
        "inspect(source)\n"
        "print(status, isolated_reading._pool()._idle[0].pid == mine)\n"
    )
    with run(code, str(large.path)) as process:
        assert process.communicate(timeout=60)[0].split() == ["0", "True"]
