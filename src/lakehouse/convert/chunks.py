"""The lines of a batch on their way to the output: cut where an object may end, compressed as the contract says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lakehouse.contracts.model import OutputOptions

# What a compressed object is called, and what S3 says of it: file readers go by the name, HTTP clients by the header.
SUFFIXES = {"none": "", "gzip": ".gz", "zstd": ".zst"}
CONTENT_ENCODINGS = {"none": None, "gzip": "gzip", "zstd": "zstd"}
_LEVELS = {"gzip": 6, "zstd": 3}

_LINE_BREAK = ord("\n")
_STRETCH_BYTES = 256 * 1024
# An object of limited size is filled to at least so many parts of a whole.
_CHUNKS_AN_OBJECT = 8


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines that stay together.

    Attributes:
        data: The bytes to store.
        json_bytes: Their length before compression.
        rows: Lines in them.
    """

    data: bytes | memoryview
    json_bytes: int
    rows: int


def chunks(stretches: Iterable[memoryview], options: OutputOptions) -> Iterator[Chunk]:
    """Cut and compress lines.

    Compressed chunks can be joined as they are: a gzip file may have many members (RFC 1952, 2.2), a zstd file many
    frames (RFC 8878, 3). So several threads and tasks compress one object.

    Args:
        stretches: Whole lines; none is empty.
        options: The contract's.

    Yields:
        The chunks, in order.
    """
    for stretch in stretches:
        for piece in _cut(stretch, options.max_object_bytes):
            yield Chunk(_compressed(piece, options.compression), len(piece), line_breaks(piece))


def line_breaks(data: bytes | memoryview) -> int:
    """Count line breaks.

    Args:
        data: Bytes.

    Returns:
        How many there are.
    """
    held = np.frombuffer(data, dtype=np.uint8)
    # A stretch at a time, so that what is compared stays in the processor's cache.
    return sum(
        int(np.count_nonzero(held[start : start + _STRETCH_BYTES] == _LINE_BREAK))
        for start in range(0, len(held), _STRETCH_BYTES)
    )


def _cut(ndjson: memoryview, max_object_bytes: int | None) -> list[memoryview]:
    """Cut lines into pieces of which several fit an object; a line that is longer is a piece by itself."""
    if max_object_bytes is None:
        return [ndjson]
    most = max(1, max_object_bytes // _CHUNKS_AN_OBJECT)
    ends = np.flatnonzero(np.frombuffer(ndjson, dtype=np.uint8) == _LINE_BREAK) + 1
    pieces = []
    start = 0
    while start < len(ndjson):
        last = int(np.searchsorted(ends, start + most, side="right")) - 1
        end = int(ends[last]) if last >= 0 and ends[last] > start else int(ends[np.searchsorted(ends, start, "right")])
        pieces.append(ndjson[start:end])
        start = end
    return pieces


def _compressed(data: memoryview, compression: str) -> bytes | memoryview:
    if compression == "none":
        return data
    compressed: bytes = pa.Codec(compression, compression_level=_LEVELS[compression]).compress(data, asbytes=True)
    return compressed
