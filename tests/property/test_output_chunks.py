"""However lines are cut and compressed, they come out again, whole and in order."""

from __future__ import annotations

import gzip

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.model import OutputOptions
from lakehouse.convert.chunks import chunks
from lakehouse.convert.multipart import WrittenObject
from lakehouse.convert.output_writer import OutputWriter
from lakehouse.convert.split_output import SplitOutput

LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=60)
LIMITS = st.none() | st.integers(1, 400)


def stored(data: bytes, compression: str) -> bytes:
    """What a reader of a compressed file sees."""
    if compression == "gzip":
        return gzip.decompress(data)
    if compression == "zstd":
        return pa.CompressedInputStream(pa.BufferReader(data), "zstd").read() if data else b""
    return data


@given(LINES, LIMITS, st.sampled_from(["none", "gzip", "zstd"]))
def test_chunks_hold_every_line_once_in_order(lines, limit, compression) -> None:
    ndjson = b"".join(lines)

    cut = [*chunks([memoryview(ndjson)] if ndjson else [], OutputOptions(compression, limit))]

    assert stored(b"".join(bytes(chunk.data) for chunk in cut), compression) == ndjson
    assert sum(chunk.rows for chunk in cut) == len(lines)
    assert sum(chunk.json_bytes for chunk in cut) == len(ndjson)
    for chunk in cut:
        plain = stored(bytes(chunk.data), compression)
        assert plain.endswith(b"\n")
        assert (plain.count(b"\n"), len(plain)) == (chunk.rows, chunk.json_bytes)


class Remembered(OutputWriter):
    """Keeps what is written, and shows it on ``complete`` only."""

    def __init__(self, name: str, shown: dict[str, bytes]) -> None:
        self._name, self._shown, self._data, self.is_sealed = name, shown, b"", False

    def write(self, data: bytes | memoryview) -> None:
        assert not self.is_sealed
        self._data += data

    def seal(self) -> None:
        self.is_sealed = True

    def expect_unchanged(self) -> None:
        pass

    def _publish(self) -> WrittenObject:
        self._shown[self._name] = self._data
        return WrittenObject(self._name, len(self._data), None)

    def abort(self) -> None:
        self._data = b""


@given(st.lists(LINES, max_size=4), st.integers(1, 400))
def test_an_output_of_limited_size_is_cut_at_line_ends_and_only_one_row_may_exceed_it(batches, limit) -> None:
    shown: dict[str, bytes] = {}
    options = OutputOptions(max_object_bytes=limit)
    opened = []

    def open_part(number: int) -> Remembered:
        assert all(part.is_sealed for part in opened)  # memory holds one object at a time
        opened.append(Remembered(f"{number:05d}", shown))
        return opened[-1]

    output = SplitOutput(open_part, Remembered("manifest", shown), limit)
    for lines in batches:
        for chunk in chunks([memoryview(b"".join(lines))] if lines else [], options):
            output.take(chunk)
    assert shown == {}
    written = output.complete()

    names = sorted(name for name in shown if name != "manifest")
    assert b"".join(shown[name] for name in names) == b"".join(line for lines in batches for line in lines)
    assert (written.objects, written.size_bytes) == (len(names), sum(len(shown[name]) for name in names))
    assert list(shown)[-1] == "manifest"
    for name in names:
        assert len(shown[name]) <= limit or shown[name].count(b"\n") == 1


def test_what_is_cut_into_several_objects_fills_them() -> None:
    limit = 10_000
    lines = b"x" * 9 + b"\n"
    shown: dict[str, bytes] = {}
    output = SplitOutput(lambda number: Remembered(str(number), shown), Remembered("manifest", shown), limit)
    for chunk in chunks([memoryview(lines * 10_000)], OutputOptions(max_object_bytes=limit)):
        output.take(chunk)
    output.complete()
    *full, _ = [len(data) for name, data in shown.items() if name != "manifest"]
    assert min(full) > 0.85 * limit
