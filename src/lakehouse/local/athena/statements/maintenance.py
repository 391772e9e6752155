"""OPTIMIZE and VACUUM of Iceberg tables.

https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-data-optimization.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.outcome import ColumnInfo, Outcome, text_outcome
from lakehouse.local.athena.sql.dialect import parse
from lakehouse.local.athena.sql.expressions import Expressions
from lakehouse.local.athena.sql.pruning import note_conditions
from lakehouse.local.athena.sql.queries import Queries
from lakehouse.local.athena.sql.relations import From, Relations
from lakehouse.local.athena.sql.scope import Scope
from lakehouse.local.athena.sql.statement import Statement, TableName
from lakehouse.local.athena.tables.catalog import is_iceberg
from lakehouse.local.athena.tables.iceberg import FileReader
from lakehouse.local.athena.tables.planning import planned
from lakehouse.local.athena.tables.row_filters import row_filter
from lakehouse.local.athena.write.commit import replace, run_again_on_conflict
from lakehouse.local.athena.write.data_files import DataFileWriter

if TYPE_CHECKING:
    from pyiceberg.table import FileScanTask, Table

    from lakehouse.local.athena.sql.scans import Condition
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.statements.tokens import Tokens
    from lakehouse.local.athena.tables.objects import StoredObject

# https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-creating-tables.html#querying-iceberg-table-properties
_TARGET_BYTES = 512 * 1024**2
_MIN_SHARE, _MAX_SHARE = 0.75, 1.8
_MIN_FILES = 5
_DELETE_FILES = 2
_SNAPSHOT_SECONDS = 432_000
_ORPHAN_SECONDS = 259_200


def _table(context: Context, tokens: Tokens) -> TableName:
    name = context.name(tokens.name())
    if not is_iceberg(context.catalog.table(name)):
        raise StatementFailedError("NOT_SUPPORTED", f"Table {name} is not an Iceberg table")
    return name


def optimize(context: Context, tokens: Tokens) -> Outcome:
    """OPTIMIZE t REWRITE DATA USING BIN_PACK [WHERE …].

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: The table is none of Iceberg, or others changed it every time.
    """
    tokens.expect("optimize")
    name = _table(context, tokens)
    tokens.expect("rewrite", "data", "using", "bin_pack")
    where = tokens.rest()

    def once() -> None:
        context.tables.forget(name)
        table = context.tables.loaded(name)
        tasks = _candidates(table, _chosen(context, name, where) if where else None, context)
        if not tasks:
            return
        columns = [field.name for field in table.schema().fields]
        sql = FileReader(table.schema(), context.objects).select(tasks, columns)
        writer = DataFileWriter(table.metadata, context.duck, context.objects, context.new_folder())
        new = writer.write(sql)
        replace(table, [task.file for task in tasks], new, context.objects)

    run_again_on_conflict(once)
    return context.scanned(Outcome("DML", "OPTIMIZE", [ColumnInfo("rows", "bigint", 19)], update_count=0))


def _chosen(context: Context, name: TableName, where: str) -> From:
    """The table as a FROM clause that knows the conditions of WHERE."""
    tree = parse(f"SELECT * FROM t {where}")
    condition = tree.args["where"].this if tree.args.get("where") else None
    if condition is None:
        raise StatementFailedError("SYNTAX_ERROR", f"mismatched input '{where}'. Expecting: 'WHERE'")
    statement = Statement(context.session, context.tables)
    queries = Queries(statement)
    parts = [name.catalog, name.database, name.table]
    table = exp.Table(
        **dict(zip(("catalog", "db", "this"), (exp.to_identifier(one, quoted=True) for one in parts), strict=True))
    )
    source = Relations(statement, queries, {}).compile(table, [], None)
    expressions = Expressions(statement, Scope(source.relations), queries)
    expressions.boolean(condition, "WHERE clause")
    note_conditions(condition, expressions, source.relations)
    partitions = {
        str(context.tables.loaded(name).schema().find_column_name(one.source_id))
        for one in context.tables.loaded(name).spec().fields
    }
    used = {column for scan in statement.scans for column in scan.columns}
    if used - partitions:
        raise StatementFailedError(
            "NOT_SUPPORTED",
            "Unexpected FilterNode found in plan; OPTIMIZE filters by partition columns only, not by "
            f"{', '.join(sorted(used - partitions))}",
        )
    return source


def _candidates(table: Table, source: From | None, context: Context) -> list[FileScanTask]:
    """Files worth rewriting: small ones, very large ones, and those with many delete files."""
    if table.current_snapshot() is None:
        return []
    conditions: list[Condition] = []
    if source is not None:
        scan = next(column.scan for relation in source.relations for column in relation.columns if column.scan)
        conditions = scan.conditions
    tasks = planned(table, row_filter(conditions, table.schema(), table.schema()))
    context.usage.begin_pass("table")
    context.usage.add((task.file.file_path, task.file.file_size_in_bytes) for task in tasks)
    properties = table.properties
    target = int(properties.get("optimize_rewrite_data_file_target_size_bytes", _TARGET_BYTES))
    least = int(properties.get("optimize_rewrite_min_data_file_size_bytes", target * _MIN_SHARE))
    most = int(properties.get("optimize_rewrite_max_data_file_size_bytes", target * _MAX_SHARE))
    deletes = int(properties.get("optimize_rewrite_delete_file_threshold", _DELETE_FILES))
    found = []
    for group in _by_partition(tasks):
        chosen = [
            task
            for task in group
            if len(task.delete_files) >= deletes or not least <= task.file.file_size_in_bytes <= most
        ]
        # One file alone gains nothing, unless it is too large or has rows deleted.
        is_worth = len(chosen) > 1 or any(task.delete_files or task.file.file_size_in_bytes > most for task in chosen)
        if is_worth:
            found += chosen
    return found


def _by_partition(tasks: Sequence[FileScanTask]) -> Iterator[list[FileScanTask]]:
    groups: dict[tuple[int, str], list[FileScanTask]] = {}
    for task in tasks:
        groups.setdefault((task.file.spec_id, str(task.file.partition)), []).append(task)
    yield from groups.values()


def vacuum(context: Context, tokens: Tokens) -> Outcome:
    """VACUUM t: old snapshots go, and files that no snapshot has.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: The table is none of Iceberg, or others changed it every time.
    """
    tokens.expect("vacuum")
    name = _table(context, tokens)
    tokens.done()

    def once() -> Table:
        context.tables.forget(name)
        table = context.tables.loaded(name)
        expired = _expired(table)
        if expired:
            table.maintenance.expire_snapshots().by_ids(expired).commit()
            context.tables.forget(name)
            table = context.tables.loaded(name)
        return table

    # Listed before the table is read: a file that is committed meanwhile is the table's, or is not in the list.
    listed = list(context.objects.list(context.tables.loaded(name).location(), with_hidden=True))
    _remove_orphans(context, run_again_on_conflict(once), listed)
    return text_outcome("UTILITY", "VACUUM")


def _expired(table: Table) -> list[int]:
    properties = table.properties
    oldest = time.time() * 1000 - int(properties.get("vacuum_max_snapshot_age_seconds", _SNAPSHOT_SECONDS)) * 1000
    least = int(properties.get("vacuum_min_snapshots_to_keep", 1))
    kept = {ref.snapshot_id for ref in table.metadata.refs.values()}
    snapshots = sorted(table.snapshots(), key=lambda one: one.timestamp_ms, reverse=True)
    return [
        one.snapshot_id
        for index, one in enumerate(snapshots)
        if index >= least and one.timestamp_ms < oldest and one.snapshot_id not in kept
    ]


def _remove_orphans(context: Context, table: Table, listed: Sequence[StoredObject]) -> None:
    """Delete the files of a table's folder that nothing refers to; young ones may be of a statement that runs."""
    used = {table.metadata_location, *(one.metadata_file for one in table.metadata.metadata_log)}
    used |= {one.statistics_path for one in table.metadata.statistics}
    for snapshot in table.snapshots():
        used.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            used.add(manifest.manifest_path)
            used |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)}
    age = int(table.properties.get("vacuum_max_metadata_files_to_keep_age_seconds", 0)) or _orphan_age(table)
    limit = datetime.now(UTC).timestamp() - age
    context.objects.delete(one.uri for one in listed if one.uri not in used and _is_older(context, one, limit))


def _is_older(context: Context, one: StoredObject, limit: float) -> bool:
    try:
        return context.objects.path(one.uri).stat().st_mtime < limit
    except (StatementFailedError, FileNotFoundError):
        # A statement that came too late has deleted it.
        return False


def _orphan_age(table: Table) -> int:
    """Athena keeps orphans as long as snapshots, three days at most."""
    return min(_ORPHAN_SECONDS, int(table.properties.get("vacuum_max_snapshot_age_seconds", _SNAPSHOT_SECONDS)))
