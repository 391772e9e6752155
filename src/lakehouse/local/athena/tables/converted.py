"""Files that DuckDB does not read as they are: ORC, and lines of text; made parquet of for one statement."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

from lakehouse.local.athena.failures import StatementFailedError, not_supported

_LINES_AT_A_TIME = 65_536
_LONGEST_FIELD = 2**31 - 1
_OPENED: dict[str, Callable[[Path], Any]] = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File}
# Hadoop's codecs that nothing here opens, by the names of their files.
_NOT_OPENED = frozenset({".lzo", ".lz4", ".snappy", ".deflate", ".zst"})


def orc_as_parquet(path: Path, uri: str, folder: Path) -> Path:
    """A file of ORC as one of parquet.

    Args:
        path: The file.
        uri: The object, for the message.
        folder: Takes the new file.

    Returns:
        The new file.

    Raises:
        StatementFailedError: It is no file of ORC.
    """
    target = folder / f"{uuid.uuid4().hex}.parquet"
    try:
        source = orc.ORCFile(path)
        with pq.ParquetWriter(target, source.schema, compression="lz4") as writer:
            for index in range(source.nstripes):
                writer.write_table(pa.Table.from_batches([source.read_stripe(index)]))
    except (pa.ArrowInvalid, OSError) as error:
        raise StatementFailedError("HIVE_BAD_DATA", f"Not valid ORC file: {uri} ({error})") from error
    return target


def parquet_as_orc(path: Path, codec: str) -> Path:
    """A file of parquet as one of ORC.

    Args:
        path: The file, which goes.
        codec: How the new one is compressed.

    Returns:
        The new file, beside it.
    """
    target = path.with_name(f"{path.name}.orc")
    with pq.ParquetFile(path) as source, orc.ORCWriter(target, compression=codec) as writer:
        for batch in source.iter_batches(_LINES_AT_A_TIME):
            writer.write(pa.Table.from_batches([batch]))
    path.unlink()
    return target


@dataclass(frozen=True, slots=True)
class Lines:
    """How a line of text is split, as LazySimpleSerDe and OpenCSVSerde do.

    Attributes:
        delimiter: Between fields.
        escape: Before characters that mean themselves; empty for none.
        skipped: Lines at a file's beginning that are no rows.
        quote: Around fields that have the delimiter in them; empty where there are no quotes.
    """

    delimiter: str
    escape: str
    skipped: int
    quote: str = ""


def lines_as_parquet(path: Path, uri: str, folder: Path, lines: Lines) -> Path:
    """A file of text as one of parquet with a column ``fields``, a list of texts.

    Args:
        path: The file.
        uri: The object, whose name says how it is compressed.
        folder: Takes the new file.
        lines: How lines are split.

    Returns:
        The new file.

    Raises:
        StatementFailedError: It is compressed in a way that is not read here, or damaged.
    """
    target = folder / f"{uuid.uuid4().hex}.parquet"
    schema = pa.schema([("fields", pa.list_(pa.string()))])
    try:
        with pq.ParquetWriter(target, schema, compression="lz4") as writer:
            for rows in _batches(path, Path(uri).suffix.lower(), lines):
                writer.write_table(pa.table([pa.array(rows, schema[0].type)], schema=schema))
    except (OSError, EOFError, csv.Error) as error:
        raise StatementFailedError("HIVE_CURSOR_ERROR", f"Failed to read file at {uri}: {error}") from error
    return target


def _batches(path: Path, suffix: str, lines: Lines) -> Iterator[list[list[str]]]:
    if suffix in _NOT_OPENED:
        raise not_supported(f"Files of text compressed as {suffix}", "Use gzip or bzip2.")
    raw: Any = _OPENED[suffix](path) if suffix in _OPENED else path.open("rb")
    rows: list[list[str]] = []
    # Hadoop ends lines at any of \\n, \\r and \\r\\n, as Python does.
    with io.TextIOWrapper(raw, "utf-8", errors="replace", newline=None) as text:
        for row in _fields(islice(text, lines.skipped, None), lines):
            rows.append(row)
            if len(rows) == _LINES_AT_A_TIME:
                yield rows
                rows = []
    yield rows


def _fields(text: Iterator[str], lines: Lines) -> Iterator[list[str]]:
    if not lines.quote:
        for line in text:
            yield _split(line.removesuffix("\n"), lines)
        return
    csv.field_size_limit(_LONGEST_FIELD)
    escape = None if lines.escape in {"", lines.quote} else lines.escape
    reader = csv.reader(text, delimiter=lines.delimiter, quotechar=lines.quote, escapechar=escape)
    for number, row in enumerate(reader, start=1):
        if reader.line_num > number:
            raise StatementFailedError(
                "HIVE_BAD_DATA",
                f"Line {number + lines.skipped} ends within quotes: OpenCSVSerde does not read line breaks in fields",
            )
        yield row or [""]


def _split(line: str, lines: Lines) -> list[str]:
    if not lines.escape or lines.escape not in line:
        return line.split(lines.delimiter)
    # A field is made of escaped characters and of those that are neither the escape nor the delimiter.
    escape, delimiter = re.escape(lines.escape), re.escape(lines.delimiter)
    parts = re.findall(rf"((?:{escape}.|[^{escape}{delimiter}])*)(?:{delimiter}|\Z)", line)
    # The pattern matches once more behind a line that does not end with the delimiter.
    fields = parts[:-1] if not line.endswith(lines.delimiter) or len(parts) > line.count(lines.delimiter) + 1 else parts
    return [re.sub(rf"{escape}(.)", r"\1", field) for field in fields]
