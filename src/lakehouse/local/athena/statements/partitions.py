"""MSCK REPAIR TABLE: partitions whose folders are there become known.

https://docs.aws.amazon.com/athena/latest/ug/msck-repair-table.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.outcome import Outcome, text_outcome
from lakehouse.local.athena.tables.catalog import is_iceberg
from lakehouse.local.athena.tables.hive import require_location
from lakehouse.local.athena.tables.pruned_partitions import path_of_values, values_in_path

if TYPE_CHECKING:
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.statements.tokens import Tokens


def repair(context: Context, tokens: Tokens) -> Outcome:
    """MSCK REPAIR TABLE.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: There is no such table, or it is one of Iceberg.
    """
    tokens.expect("msck", "repair", "table")
    name = context.name(tokens.name())
    tokens.done()
    table = context.catalog.table(name)
    if is_iceberg(table):
        raise StatementFailedError("NOT_SUPPORTED", "MSCK REPAIR TABLE is not supported for Iceberg tables")
    keys = [key["Name"].lower() for key in table.get("PartitionKeys") or []]
    location = require_location(table).rstrip("/")
    known = {tuple(one["Values"]) for one in context.catalog.partitions(name)} if keys else set()
    found: dict[tuple[str, ...], str] = {}
    for one in context.objects.list(location) if keys else ():
        rest = one.uri[len(location) + 1 :]
        values = values_in_path(rest, keys)
        if values is not None and values not in known:
            found.setdefault(values, f"{location}/{'/'.join(rest.split('/')[: len(keys)])}/")
    context.catalog.add_partitions(name, table, found)
    paths = [path_of_values(keys, values) for values in found]
    lines = []
    if paths:
        lines.append("Partitions not in metastore:\t" + "\t".join(f"{name.table}:{path}" for path in paths))
        lines += [f"Repair: Added partition to metastore {name.table}:{path}" for path in paths]
    return text_outcome("DDL", "MSCK_REPAIR_TABLE", lines)
