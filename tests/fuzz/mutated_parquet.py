"""Breaks parquet files in every way that comes to mind and reads them; nothing may crash, hang or come out wrong.

    python tests/fuzz/mutated_parquet.py --seconds 3600 --seed 7

All files are inspected, read and converted in this one process. A file is either refused with a reason that names it,
or gives as many rows as its footer states. Where a byte of a page changed that the page's checksum covers, what comes
out is what was written.

A case that fails is printed by its name, ``seed-number``, which ``--case`` repeats on the same originals, and its file
is written into the folder that ``--keep`` names. Put it into ``kept/`` beside this script: every run begins with those.
"""

# ruff: noqa: T201 - a script that prints what it finds

from __future__ import annotations

import argparse
import collections
import faulthandler
import io
import itertools
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
from thrift_compact import Walk, zigzag_varint

from lakehouse.convert import reading_child
from lakehouse.convert.kernel import Kernel
from lakehouse.convert.source import ParquetSource, inspect, iter_batches
from lakehouse.errors import ConversionError, InputFileError

NAME = "mutated.parquet"
KEPT = Path(__file__).with_name("kept")
REAL_FILES = Path(__file__).resolve().parents[3] / "shared" / "data" / "parquet"
_MOST_REAL_BYTES = 20_000
# The reading process may take 2 GiB for a hostile file. This process holds batches only.
_MOST_MB_HERE = 1_000
_MOST_CASE_SECONDS = 120
_EXTREMES = (0, 1, -1, 2, 7, 127, 128, 2**15, 2**31 - 1, -(2**31), 2**31, 2**40, 2**63 - 1, -(2**63))


@dataclass(frozen=True)
class Original:
    """A whole file.

    Attributes:
        name: What it is.
        content: Its bytes.
        footer: Where its footer begins.
        headers: Start and end of the page headers.
        checked: Start and end of the pages that have a checksum.
    """

    name: str
    content: bytes
    footer: int
    headers: tuple[tuple[int, int], ...]
    checked: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Mutated:
    """A broken file; ``is_checked`` if a checksum covers what was broken."""

    description: str
    content: bytes
    is_checked: bool = False


class BytesSource(ParquetSource):
    """A file in memory. Its bytes are fetched range by range, as those of an object on S3."""

    name = NAME

    def __init__(self, content: bytes) -> None:
        self._content = content

    def open(self) -> io.BytesIO:
        return io.BytesIO(self._content)


# --- originals ----------------------------------------------------------------------------------------------------


def every_type(rows: int) -> pa.Table:
    start = datetime(2024, 1, 1)  # noqa: DTZ001 - parquet's own have no zone
    columns: dict[str, tuple[pa.DataType, Callable[[int], object]]] = {
        "flag": (pa.bool_(), lambda n: n % 3 == 0),
        "small": (pa.int8(), lambda n: n % 100),
        "whole": (pa.int64(), lambda n: n * 10**9),
        "unsigned": (pa.uint32(), lambda n: n),
        "half": (pa.float16(), lambda n: n / 2),
        "real": (pa.float64(), lambda n: n / 3),
        "price": (pa.decimal128(20, 4), lambda n: Decimal(n) / 8),
        "text": (pa.string(), lambda n: f"text {n}"),
        "same": (pa.string(), lambda n: "ab"[n % 2]),
        "raw": (pa.large_binary(), lambda n: bytes([n % 256]) * 3),
        "fixed": (pa.binary(4), lambda n: n.to_bytes(4, "big")),
        "day": (pa.date32(), lambda n: date(2024, 1, 1) + timedelta(days=n % 1000)),
        "hour": (pa.time64("us"), lambda n: clock(n % 24, 5)),
        "at": (pa.timestamp("us", "UTC"), lambda n: start + timedelta(seconds=n)),
        "wait": (pa.duration("ms"), lambda n: timedelta(milliseconds=n)),
        "list": (pa.list_(pa.int32()), lambda n: list(range(n % 4))),
        "texts": (pa.list_(pa.string()), lambda n: [f"t{n}", None][: n % 3]),
        "pair": (pa.struct([("a", pa.int16()), ("b", pa.string())]), lambda n: {"a": n % 50, "b": str(n)}),
        "map": (pa.map_(pa.string(), pa.float32()), lambda n: [(f"k{k}", k / 2) for k in range(n % 3)]),
        "word": (pa.dictionary(pa.int32(), pa.string()), lambda n: f"word {n % 5}"),
    }
    arrays = {
        name: pa.array([None if n % 7 == 3 else value(n) for n in range(rows)], kind)
        for name, (kind, value) in columns.items()
    }
    return pa.table(arrays)


def generated() -> Iterator[tuple[str, bytes]]:
    table = every_type(120)
    plain = table.select(["whole", "text", "real", "flag", "fixed"])
    options: dict[str, dict[str, object]] = {
        "default": {},
        "zstd v2 pages": {"compression": "zstd", "data_page_version": "2.0"},
        "plain": {"compression": "none", "use_dictionary": False},
        "many pages": {"compression": "gzip", "data_page_size": 200, "write_batch_size": 10},
        "page index": {"compression": "lz4", "write_page_index": True},
        "int96": {"use_deprecated_int96_timestamps": True},
        "one group": {"row_group_size": 1000, "compression": "brotli"},
    }
    encodings = {
        "delta": {"whole": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY", "fixed": "DELTA_BYTE_ARRAY"},
        "lengths": {"text": "DELTA_LENGTH_BYTE_ARRAY", "real": "BYTE_STREAM_SPLIT", "flag": "RLE"},
    }
    for has_checksums in (True, False):
        suffix = ", checksums" if has_checksums else ""
        for name, chosen in options.items():
            yield name + suffix, written(table, **({"row_group_size": 40} | chosen), write_page_checksum=has_checksums)
        for name, chosen in encodings.items():
            rest = {"column_encoding": chosen, "use_dictionary": False, "compression": "none"}
            yield name + suffix, written(plain, **rest, write_page_checksum=has_checksums)


def written(table: pa.Table, **options: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def originals() -> list[Original]:
    made = [dissected(name, content) for name, content in generated()]
    if REAL_FILES.is_dir():
        real = sorted(path for path in REAL_FILES.glob("*.parq*") if path.stat().st_size <= _MOST_REAL_BYTES)
        made += [dissected(path.name, path.read_bytes()) for path in real]
    return made


def dissected(name: str, content: bytes) -> Original:
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    headers: list[tuple[int, int]] = []
    checked: list[tuple[int, int]] = []
    try:
        metadata = pq.read_metadata(io.BytesIO(content))
    except pa.ArrowException:  # some of the real files are broken as they come
        return Original(name, content, footer, (), ())
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            starts = [chunk.data_page_offset]
            if chunk.has_dictionary_page and chunk.dictionary_page_offset:
                starts.append(chunk.dictionary_page_offset)
            position, end = min(starts), min(starts) + chunk.total_compressed_size
            while position < min(end, footer):
                try:
                    walk = Walk(content, position).struct()
                except (ValueError, IndexError):
                    break
                headers.append((position, walk.position))
                position = walk.position + max(0, walk.numbers.get(3, 0))
                if 4 in walk.numbers:
                    checked.append((walk.position, position))
    return Original(name, content, footer, tuple(headers), tuple(page for page in checked if page[0] < page[1]))


# --- mutations ----------------------------------------------------------------------------------------------------


def changed_bytes(content: bytes, random: Random, start: int, end: int) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice([1, 1, 2, 4, 16])):
        position = random.randrange(start, end)
        changed[position] = random.choice([random.randrange(256), changed[position] ^ 1 << random.randrange(8), 0, 255])
    return bytes(changed)


def with_footer(content: bytes, footer: bytes, start: int) -> bytes:
    return content[:start] + footer + len(footer).to_bytes(4, "little") + content[-4:]


def footer_bytes(original: Original, random: Random, _: list[Original]) -> Mutated:
    content = changed_bytes(original.content, random, original.footer, len(original.content) - 8)
    return Mutated("bytes of the footer", content)


def footer_numbers(original: Original, random: Random, _: list[Original]) -> Mutated:
    footer = original.content[original.footer : -8]
    for _ in range(random.choice([1, 1, 1, 3])):
        varints = Walk(footer).struct().varints
        start, end = random.choice(varints)
        number = random.choice([*_EXTREMES, random.randrange(2**20), random.randrange(len(original.content))])
        footer = footer[:start] + zigzag_varint(number) + footer[end:]
    return Mutated("numbers of the footer", with_footer(original.content, footer, original.footer))


def footer_lists(original: Original, random: Random, _: list[Original]) -> Mutated:
    footer = bytearray(original.content[original.footer : -8])
    position = random.choice(Walk(bytes(footer)).struct().lists)
    footer[position] = footer[position] & 15 | random.randrange(16) << 4
    return Mutated("length of a list in the footer", with_footer(original.content, bytes(footer), original.footer))


def footer_fields(original: Original, random: Random, _: list[Original]) -> Mutated:
    footer = bytearray(original.content[original.footer : -8])
    position = random.choice(Walk(bytes(footer)).struct().fields)
    if random.random() < 0.5:
        footer[position] = footer[position] & 15 | random.randrange(1, 16) << 4
    else:
        footer[position] = footer[position] & 240 | random.randrange(1, 13)
    return Mutated("a field of the footer", with_footer(original.content, bytes(footer), original.footer))


def footer_pieces(original: Original, random: Random, _: list[Original]) -> Mutated:
    footer = original.content[original.footer : -8]
    start, end = sorted(random.randrange(len(footer) + 1) for _ in range(2))
    end = min(end, start + random.choice([1, 4, 40, 400]))
    piece = random.choice([b"", footer[start:end] * 2, random.randbytes(end - start)])
    changed = footer[:start] + piece + footer[end:]
    return Mutated("pieces of the footer", with_footer(original.content, changed, original.footer))


def page_headers(original: Original, random: Random, others: list[Original]) -> Mutated:
    if not original.headers:
        return pages(original, random, others)
    start, end = random.choice(original.headers)
    content = original.content
    if random.random() < 0.5:
        return Mutated("bytes of a page header", changed_bytes(content, random, start, end))
    number_start, number_end = random.choice(Walk(content, start).struct().varints)
    number = zigzag_varint(random.choice([*_EXTREMES, random.randrange(1000)]))
    # As long as it was, so that what lies behind it stays where the footer says.
    width = number_end - number_start
    same = number[:width] if len(number) >= width else number.ljust(width, b"\x00")
    same = bytes([*(byte | 128 for byte in same[:-1]), same[-1] & 127])
    return Mutated("number of a page header", content[:number_start] + same + content[number_end:])


def pages(original: Original, random: Random, _: list[Original]) -> Mutated:
    content = changed_bytes(original.content, random, 4, original.footer)
    return Mutated("bytes of pages or headers", content)


def checked_pages(original: Original, random: Random, others: list[Original]) -> Mutated:
    if not original.checked:
        return pages(original, random, others)
    content = changed_bytes(original.content, random, *random.choice(original.checked))
    return Mutated("bytes of a page with a checksum", content, is_checked=True)


def swapped_pages(original: Original, random: Random, others: list[Original]) -> Mutated:
    if not original.headers:
        return pages(original, random, others)
    first, second = random.choice(original.headers)[0], random.choice(original.headers)[0]
    length = random.choice([16, 100, 1000])
    piece = original.content[first : min(first + length, original.footer)]
    content = original.content[:second] + piece + original.content[second + len(piece) :]
    return Mutated("a page in another's place", content)


def lengths(original: Original, random: Random, _: list[Original]) -> Mutated:
    stated = len(original.content) - 8 - original.footer
    wrong = random.choice([0, 1, stated - 1, stated + 1, stated * 2, 2**31 - 1, 2**32 - 1, random.randrange(2**16)])
    return Mutated("the footer's length", original.content[:-8] + wrong.to_bytes(4, "little") + b"PAR1")


def truncated(original: Original, random: Random, _: list[Original]) -> Mutated:
    cut = random.randrange(len(original.content))
    content = original.content
    kept = random.choice([content[:cut], content[cut:], content[:cut] + content[original.footer :], content[:cut] * 2])
    return Mutated("cut", kept)


def spliced(original: Original, random: Random, others: list[Original]) -> Mutated:
    other = random.choice(others)
    here = random.randrange(original.footer)
    head = random.choice([original.content[: original.footer], original.content[:here] + other.content[here:]])
    return Mutated(f"spliced with {other.name}", with_footer(head, other.content[other.footer : -8], len(head)))


MUTATIONS = (
    footer_bytes,
    footer_numbers,
    footer_numbers,
    footer_lists,
    footer_fields,
    footer_pieces,
    page_headers,
    page_headers,
    pages,
    checked_pages,
    swapped_pages,
    lengths,
    truncated,
    spliced,
)


# --- cases --------------------------------------------------------------------------------------------------------


class BrokenPromiseError(AssertionError):
    """A file was not refused and not read as it should be."""


def mutated(case: str, all_originals: list[Original]) -> tuple[Original, Mutated]:
    """The file of a case, and what it was made of."""
    random = Random(case)
    original = random.choice(all_originals)
    return original, random.choice(MUTATIONS)(original, random, all_originals)


def run(original: Original, broken: Mutated) -> str:
    """Run a case.

    Returns:
        What came of it.
    """
    outcome, rows = convert(broken.content)
    if rows is not None and broken.is_checked:
        _, expected = convert(original.content)
        if rows != expected:
            raise BrokenPromiseError("other rows came out than were written")
    return outcome


def convert(content: bytes) -> tuple[str, bytes | None]:
    """Convert a file.

    Returns:
        The name of the error that refused it, or "read"; and its lines.
    """
    source = BytesSource(content)
    try:
        facts = inspect(source)
        kernel = Kernel(facts.schema, name=NAME)
        lines = bytearray()
        rows = 0
        for batch in iter_batches(source):
            if batch.first_row != rows:
                raise BrokenPromiseError(f"a batch begins at row {batch.first_row} instead of {rows}")
            converted = kernel.convert(batch.data, batch.first_row)
            made = converted.ndjson + converted.rejected
            rows += made.count(b"\n")
            if len(lines) < 2**24:  # a footer may promise billions of rows; their number is checked
                lines += made
    except InputFileError as error:
        if NAME not in str(error):
            raise BrokenPromiseError(f"the reason does not name the file: {error}") from error
        return type(error).__name__, None
    except ConversionError as error:
        raise BrokenPromiseError(f"the kernel or the reader is to blame: {error}") from error
    if rows != facts.rows:
        raise BrokenPromiseError(f"{rows} rows instead of {facts.rows}")
    return "read", bytes(lines)


def peak_mb() -> int:
    """The most memory that this process had. Linux's rusage counts that of whoever started it as well."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20


class Fuzzer:
    """Runs cases and remembers what came of them."""

    def __init__(self, keep: Path | None) -> None:
        self._keep = keep
        self._outcomes: collections.Counter[str] = collections.Counter()
        self.failures = 0

    def run(self, case: str, original: Original, broken: Mutated) -> None:
        print(case, end="\r", flush=True)
        faulthandler.dump_traceback_later(_MOST_CASE_SECONDS, exit=True)
        done = f"{case}: {original.name}: {broken.description}"
        try:
            outcome = run(original, broken)
        except Exception as error:  # noqa: BLE001 - whatever is no refusal is a finding
            self.failures += 1
            print(f"FAILED {done}: {type(error).__name__}: {error}")
            if self._keep:
                self._keep.mkdir(parents=True, exist_ok=True)
                (self._keep / f"{case}.parquet").write_bytes(broken.content)
        else:
            self._outcomes[outcome] += 1
            if outcome in {"ReaderCrashedError", "ReaderMemoryError"}:
                print(f"{outcome} {done}")
        faulthandler.cancel_dump_traceback_later()

    def report(self) -> None:
        here = peak_mb()
        print(f"{self._outcomes.total()} cases kept their promise, {self.failures} did not")
        print(", ".join(f"{outcome} {count}" for outcome, count in self._outcomes.most_common()))
        print(f"peak memory: {here} MB here")
        if here > _MOST_MB_HERE:
            print("FAILED: this process took more memory than batches need")
            self.failures += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", help="run this case only")
    parser.add_argument("--keep", type=Path, help="folder for the files that failed")
    arguments = parser.parse_args()
    reading_child.SILENCE_SECONDS = 60.0
    all_originals = originals()
    fuzzer = Fuzzer(arguments.keep)
    if arguments.case:
        fuzzer.run(arguments.case, *mutated(arguments.case, all_originals))
    else:
        for path in sorted(KEPT.glob("*.parquet")):
            content = path.read_bytes()
            fuzzer.run(path.stem, Original(path.name, content, 0, (), ()), Mutated("kept", content))
        end = time.monotonic() + arguments.seconds
        for number in itertools.count():
            if time.monotonic() >= end:
                break
            case = f"{arguments.seed}-{number}"
            fuzzer.run(case, *mutated(case, all_originals))
    fuzzer.report()
    return 1 if fuzzer.failures else 0


if __name__ == "__main__":
    sys.exit(main())
