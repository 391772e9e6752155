"""UNLOAD, https://docs.aws.amazon.com/athena/latest/ug/unload.html."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.outcome import ColumnInfo, Outcome
from lakehouse.local.athena.statements.writing import as_columns
from lakehouse.local.athena.write.hive_files import HiveWriter

if TYPE_CHECKING:
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.statements.tokens import Tokens


def unload(context: Context, tokens: Tokens) -> Outcome:
    """UNLOAD (query) TO 's3://…' WITH (format = 'PARQUET', …).

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: The folder has files, or the format is not written here.
    """
    tokens.expect("unload")
    text = tokens.balanced()
    tokens.expect("to")
    location = tokens.string()
    tokens.expect("with")
    options = _options(tokens)
    tokens.done()
    if next(iter(context.objects.list(location, with_hidden=True)), None) is not None:
        raise StatementFailedError("HIVE_PATH_ALREADY_EXISTS", f"Target directory already exists: {location}")
    query = context.compiled(text)
    columns = [(name.lower(), kind) for name, kind in zip(query.names, query.types, strict=True)]
    keys = re.findall(r"'((?:[^']|'')*)'", options.get("partitioned_by", ""))
    if keys and [name for name, _ in columns[len(columns) - len(keys) :]] != [key.lower() for key in keys]:
        raise StatementFailedError(
            "INVALID_ARGUMENTS", f"Partition keys must be the last columns of the query, in order: {keys}"
        )
    form = options.get("format", "parquet").strip("'").lower()
    writer = HiveWriter(
        context.duck, context.objects, context.new_folder(), form, options.get("compression", "").strip("'"),
        options.get("field_delimiter", "'\x01'")[1:-1],
    )  # fmt: skip
    split = len(columns) - len(keys)
    written = writer.write(as_columns(query, columns), columns[:split], columns[split:], location)
    rows = [ColumnInfo("rows", "bigint", 19)]
    return context.scanned(Outcome("DML", "UNLOAD", rows, update_count=written.rows, manifest=list(written.files)))


def _options(tokens: Tokens) -> dict[str, str]:
    found = tokens.balanced()
    pattern = re.compile(r"(\w+)\s*=\s*(ARRAY\s*\[[^\]]*\]|'(?:[^']|'')*'|[\w.]+)", re.IGNORECASE)
    return {match[1].lower(): match[2] for match in pattern.finditer(found)}
