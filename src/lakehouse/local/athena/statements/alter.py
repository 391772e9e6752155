"""ALTER TABLE.

https://docs.aws.amazon.com/athena/latest/ug/alter-table-add-columns.html and the pages after it
https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-evolving-table-schema.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import ResolveError, ValidationError

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.outcome import Outcome, text_outcome
from lakehouse.local.athena.sql.type_text import parse_hive_type
from lakehouse.local.athena.statements.create_table import column, refuse_other_versions
from lakehouse.local.athena.tables.catalog import columns_of, is_iceberg, is_view, table_input
from lakehouse.local.athena.tables.hive import require_location
from lakehouse.local.athena.tables.iceberg_types import iceberg_type
from lakehouse.local.athena.tables.objects import joined
from lakehouse.local.athena.tables.pruned_partitions import path_of_values
from lakehouse.local.athena.write.commit import run_again_on_conflict

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.update.schema import UpdateSchema

    from lakehouse.local.athena.sql.statement import TableName
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.statements.tokens import Tokens
    from lakehouse.local.athena.tables.catalog import GlueTable

Columns = list[dict[str, str]]


def table(context: Context, tokens: Tokens) -> Outcome:
    """ALTER TABLE.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: There is no such table or column, or a form is not executed here.
    """
    tokens.expect("alter")
    tokens.take()
    name = context.name(tokens.name())
    found = context.catalog.table(name)
    if is_view(found) and tokens.peek() != "rename":
        raise StatementFailedError("NOT_SUPPORTED", "ALTER TABLE is not supported for views")
    alteration = _Alteration(context, name, found)
    for words, change in alteration.forms.items():
        if tokens.accept(*words):
            return change(tokens)
    raise not_supported(f"ALTER TABLE … {tokens.peek().upper()} {tokens.peek(1).upper()}".rstrip())


class _Alteration:
    """One ALTER TABLE."""

    def __init__(self, context: Context, name: TableName, found: GlueTable) -> None:
        self._context = context
        self._name = name
        self._found = found
        self._is_iceberg = is_iceberg(found)
        self.forms: dict[tuple[str, ...], Callable[[Tokens], Outcome]] = {
            ("rename", "to"): self._rename,
            ("set", "tblproperties"): self._set_properties,
            ("unset", "tblproperties"): self._unset_properties,
            ("set", "location"): self._set_location,
            ("add", "columns"): self._add_columns,
            ("add", "column"): self._add_columns,
            ("replace", "columns"): self._replace_columns,
            ("drop", "column"): self._drop_column,
            ("change", "column"): self._change_column,
            ("change",): self._change_column,
            ("add", "partition"): self._add_partitions,
            ("add", "if", "not", "exists", "partition"): self._add_partitions_leniently,
            ("drop", "partition"): self._drop_partitions,
            ("drop", "if", "exists", "partition"): self._drop_partitions_leniently,
            ("partition",): self._change_partition,
        }

    # --- the table ----------------------------------------------------------------------------------------------------

    def _rename(self, tokens: Tokens) -> Outcome:
        target = self._context.name(tokens.name())
        tokens.done()
        if self._context.catalog.find(target) is not None:
            raise StatementFailedError("TABLE_ALREADY_EXISTS", f"Table '{target}' already exists")
        glue = self._context.catalog.glue
        definition = table_input(self._found, Name=target.table)
        partitions = list(self._context.catalog.partitions(self._name)) if self._found.get("PartitionKeys") else []
        glue.create_table(DatabaseName=target.database, TableInput=definition)  # type: ignore[arg-type]
        locations = {tuple(one["Values"]): one["StorageDescriptor"]["Location"] for one in partitions}
        self._context.catalog.add_partitions(target, self._found, locations)
        glue.delete_table(DatabaseName=self._name.database, Name=self._name.table)
        return text_outcome("DDL", "ALTER_TABLE_RENAME")

    def _set_properties(self, tokens: Tokens) -> Outcome:
        properties = tokens.properties()
        tokens.done()
        if self._is_iceberg:
            own = {key: value for key, value in properties.items() if key not in {"table_type", "metadata_location"}}
            refuse_other_versions(own)
            self._iceberg(lambda loaded: _set(loaded, own))
        else:
            self._update(Parameters={**(self._found.get("Parameters") or {}), **properties})
        return text_outcome("DDL", "ALTER_TABLE_PROPERTIES")

    def _unset_properties(self, tokens: Tokens) -> Outcome:
        tokens.accept("if", "exists")
        names = tokens.listed(tokens.string)
        tokens.done()
        if self._is_iceberg:
            self._iceberg(lambda loaded: _unset(loaded, names))
        else:
            self._update(
                Parameters={key: one for key, one in (self._found.get("Parameters") or {}).items() if key not in names}
            )
        return text_outcome("DDL", "ALTER_TABLE_PROPERTIES")

    def _set_location(self, tokens: Tokens) -> Outcome:
        location = tokens.string()
        tokens.done()
        self._refuse_iceberg("ALTER TABLE … SET LOCATION")
        self._update(StorageDescriptor={**self._found["StorageDescriptor"], "Location": location})
        return text_outcome("DDL", "ALTER_TABLE_LOCATION")

    def _refuse_iceberg(self, form: str) -> None:
        if self._is_iceberg:
            raise StatementFailedError("NOT_SUPPORTED", f"{form} is not supported for Iceberg tables")

    def _update(self, **changes: Any) -> None:
        definition = table_input(self._found, **changes)
        self._context.catalog.glue.update_table(DatabaseName=self._name.database, TableInput=definition)  # type: ignore[arg-type]

    def _iceberg(self, change: Callable[[Table], None]) -> None:
        def once() -> None:
            self._context.tables.forget(self._name)
            change(self._context.tables.loaded(self._name))

        try:
            run_again_on_conflict(once)
        except (ValueError, ValidationError, ResolveError) as error:
            raise StatementFailedError("INVALID_ARGUMENTS", str(error)) from error

    # --- columns ------------------------------------------------------------------------------------------------------

    def _columns(self) -> Columns:
        return [dict(one) for one in columns_of({**self._found, "PartitionKeys": []})]

    def _set_columns(self, columns: Columns) -> None:
        self._update(StorageDescriptor={**self._found["StorageDescriptor"], "Columns": columns})

    def _evolve(self, change: Callable[[UpdateSchema], object]) -> None:
        def evolve(loaded: Table) -> None:
            with loaded.update_schema() as schema:
                change(schema)

        self._iceberg(evolve)

    def _add_columns(self, tokens: Tokens) -> Outcome:
        added = tokens.listed(lambda: column(tokens)) if tokens.peek() == "(" else [column(tokens)]
        tokens.done()
        known = {one["Name"] for one in [*self._columns(), *(self._found.get("PartitionKeys") or [])]}
        for one in added:
            if one["Name"] in known:
                raise StatementFailedError("DUPLICATE_COLUMN_NAME", f"Duplicate column name: {one['Name']}")
        if self._is_iceberg:

            def add(schema: UpdateSchema) -> None:
                for one in added:
                    kind = iceberg_type(parse_hive_type(one["Type"], is_iceberg=True))
                    schema.add_column(one["Name"], kind, one.get("Comment"))

            self._evolve(add)
        else:
            self._set_columns([*self._columns(), *added])
        return text_outcome("DDL", "ALTER_TABLE_ADD_COLUMNS")

    def _replace_columns(self, tokens: Tokens) -> Outcome:
        columns = tokens.listed(lambda: column(tokens))
        tokens.done()
        if self._is_iceberg:
            names = {one["Name"] for one in columns}
            known = {one["Name"]: one["Type"] for one in self._columns()}
            if any(known.get(one["Name"]) != one["Type"] for one in columns):
                raise not_supported(
                    "ALTER TABLE … REPLACE COLUMNS of an Iceberg table with other columns or types",
                    "Use ADD COLUMNS and CHANGE COLUMN.",
                )

            def drop(schema: UpdateSchema) -> None:
                for one in self._columns():
                    if one["Name"] not in names:
                        schema.delete_column(one["Name"])

            self._evolve(drop)
        else:
            self._set_columns(columns)
        return text_outcome("DDL", "ALTER_TABLE_REPLACE_COLUMNS")

    def _require(self, name: str) -> None:
        if name not in {one["Name"] for one in self._columns()}:
            raise StatementFailedError("COLUMN_NOT_FOUND", f"Column '{name}' cannot be resolved")

    def _drop_column(self, tokens: Tokens) -> Outcome:
        name = tokens.identifier().lower()
        tokens.done()
        if not self._is_iceberg:
            raise StatementFailedError(
                "NOT_SUPPORTED", "ALTER TABLE DROP COLUMN is for Iceberg tables; use REPLACE COLUMNS"
            )
        self._require(name)
        self._evolve(lambda schema: schema.delete_column(name))
        return text_outcome("DDL", "ALTER_TABLE_DROP_COLUMN")

    def _change_column(self, tokens: Tokens) -> Outcome:
        old = tokens.identifier().lower()
        new = column(tokens)
        is_first = tokens.accept("first")
        after = tokens.identifier().lower() if tokens.accept("after") else ""
        tokens.done()
        self._require(old)
        if not self._is_iceberg:
            self._set_columns([new if one["Name"] == old else one for one in self._columns()])
            return text_outcome("DDL", "ALTER_TABLE_CHANGE_COLUMN")

        def change(schema: UpdateSchema) -> None:
            kind = iceberg_type(parse_hive_type(new["Type"], is_iceberg=True))
            schema.update_column(old, field_type=kind, doc=new.get("Comment"))
            if is_first:
                schema.move_first(old)
            elif after:
                schema.move_after(old, after)
            if new["Name"] != old:
                schema.rename_column(old, new["Name"])

        self._evolve(change)
        return text_outcome("DDL", "ALTER_TABLE_CHANGE_COLUMN")

    # --- partitions ---------------------------------------------------------------------------------------------------

    def _keys(self) -> list[str]:
        self._refuse_iceberg("ALTER TABLE … PARTITION")
        return [key["Name"] for key in self._found.get("PartitionKeys") or []]

    def _partition(self, tokens: Tokens) -> tuple[str, ...]:
        given = {name.lower(): value for name, value in tokens.properties().items()}
        keys = self._keys()
        if set(given) != set(keys):
            raise StatementFailedError(
                "INVALID_ARGUMENTS", f"Partition spec {given} must name the columns {', '.join(keys)}"
            )
        return tuple(given[key] for key in keys)

    def _add_partitions_leniently(self, tokens: Tokens) -> Outcome:
        return self._add_partitions(tokens, is_lenient=True)

    def _add_partitions(self, tokens: Tokens, *, is_lenient: bool = False) -> Outcome:
        location, keys = require_location(self._found), self._keys()
        found: dict[tuple[str, ...], str] = {}
        while True:
            values = self._partition(tokens)
            own = tokens.string() if tokens.accept("location") else f"{joined(location, path_of_values(keys, values))}/"
            found[values] = own
            if not tokens.accept("partition"):
                break
        tokens.done()
        known = {tuple(one["Values"]) for one in self._context.catalog.partitions(self._name)}
        if known & set(found) and not is_lenient:
            raise StatementFailedError("ALREADY_EXISTS", f"Partition already exists: {sorted(known & set(found))}")
        self._context.catalog.add_partitions(
            self._name, self._found, {one: place for one, place in found.items() if one not in known}
        )
        return text_outcome("DDL", "ALTER_TABLE_ADD_PARTITION")

    def _drop_partitions_leniently(self, tokens: Tokens) -> Outcome:
        return self._drop_partitions(tokens, is_lenient=True)

    def _drop_partitions(self, tokens: Tokens, *, is_lenient: bool = False) -> Outcome:
        dropped = [self._partition(tokens)]
        while tokens.accept(",", "partition"):
            dropped.append(self._partition(tokens))
        tokens.done()
        known = {tuple(one["Values"]) for one in self._context.catalog.partitions(self._name)}
        for values in dropped:
            if values in known:
                self._context.catalog.glue.delete_partition(
                    DatabaseName=self._name.database, TableName=self._name.table, PartitionValues=list(values)
                )
            elif not is_lenient:
                raise StatementFailedError(
                    "NOT_FOUND", f"Partition not found: {dict(zip(self._keys(), values, strict=True))}"
                )
        return text_outcome("DDL", "ALTER_TABLE_DROP_PARTITION")

    def _change_partition(self, tokens: Tokens) -> Outcome:
        values = self._partition(tokens)
        glue, place = self._context.catalog.glue, {"DatabaseName": self._name.database, "TableName": self._name.table}
        known = {tuple(one["Values"]): one for one in self._context.catalog.partitions(self._name)}
        if values not in known:
            raise StatementFailedError(
                "NOT_FOUND", f"Partition not found: {dict(zip(self._keys(), values, strict=True))}"
            )
        storage = dict(known[values]["StorageDescriptor"])
        new = values
        if tokens.accept("set", "location"):
            storage["Location"] = tokens.string()
        else:
            tokens.expect("rename", "to", "partition")
            new = self._partition(tokens)
        tokens.done()
        glue.update_partition(
            **place,
            PartitionValueList=list(values),
            PartitionInput={"Values": list(new), "StorageDescriptor": storage},  # type: ignore[typeddict-item]
        )
        return text_outcome("DDL", "ALTER_TABLE_PARTITION")


def _set(loaded: Table, properties: dict[str, str]) -> None:
    with loaded.transaction() as transaction:
        transaction.set_properties(properties)


def _unset(loaded: Table, names: list[str]) -> None:
    with loaded.transaction() as transaction:
        transaction.remove_properties(*[name for name in names if name in loaded.properties])
