"""DROP TABLE and DROP VIEW."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.outcome import Outcome, text_outcome
from lakehouse.local.athena.tables.catalog import is_iceberg, is_view

if TYPE_CHECKING:
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.statements.tokens import Tokens


def table(context: Context, tokens: Tokens) -> Outcome:
    """DROP TABLE: of an Iceberg table its files go too, of Hive's they stay.

    https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-drop-table.html

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: There is no such table.
    """
    tokens.expect("drop", "table")
    is_lenient = tokens.accept("if", "exists")
    name = context.name(tokens.name())
    tokens.accept("purge")
    tokens.done()
    found = context.catalog.find(name)
    if found is None:
        if is_lenient:
            return text_outcome("DDL", "DROP_TABLE")
        raise StatementFailedError("TABLE_NOT_FOUND", f"SemanticException [Error 10001]: Table not found {name.table}")
    if is_view(found):
        raise StatementFailedError("NOT_SUPPORTED", f"Cannot drop a view with DROP TABLE: {name.table}")
    location = ""
    if is_iceberg(found):
        location = (
            str(found.get("StorageDescriptor", {}).get("Location") or "") or context.tables.loaded(name).location()
        )
    context.catalog.glue.delete_table(DatabaseName=name.database, Name=name.table)
    if location:
        context.objects.delete(one.uri for one in context.objects.list(location, with_hidden=True))
    return text_outcome("DDL", "DROP_TABLE")


def view(context: Context, tokens: Tokens) -> Outcome:
    """DROP VIEW, https://docs.aws.amazon.com/athena/latest/ug/drop-view.html.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: There is no such view.
    """
    tokens.expect("drop", "view")
    is_lenient = tokens.accept("if", "exists")
    name = context.name(tokens.name())
    tokens.done()
    found = context.catalog.find(name)
    if found is None or not is_view(found):
        if is_lenient and found is None:
            return text_outcome("DDL", "DROP_VIEW")
        raise StatementFailedError("TABLE_NOT_FOUND", f"View '{name}' does not exist", line=1, column=1)
    context.catalog.glue.delete_table(DatabaseName=name.database, Name=name.table)
    return text_outcome("DDL", "DROP_VIEW")
