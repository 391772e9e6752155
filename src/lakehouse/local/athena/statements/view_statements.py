"""CREATE VIEW, https://docs.aws.amazon.com/athena/latest/ug/create-view.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.outcome import Outcome, text_outcome
from lakehouse.local.athena.tables.catalog import is_view
from lakehouse.local.athena.tables.views import View, encoded

if TYPE_CHECKING:
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.statements.tokens import Tokens


def create(context: Context, tokens: Tokens) -> Outcome:
    """CREATE [OR REPLACE] VIEW.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: There is such a table, or the query is wrong.
    """
    tokens.expect("create")
    replaces = tokens.accept("or", "replace")
    tokens.expect("view")
    name = context.name(tokens.name())
    if tokens.accept("comment"):
        tokens.string()
    tokens.expect("as")
    text = tokens.rest()
    query = context.compiled(text)
    names = [column.lower() for column in query.names]
    for column in names:
        if names.count(column) > 1:
            raise StatementFailedError("DUPLICATE_COLUMN_NAME", f"Column name '{column}' specified more than once")
    columns = tuple((column, str(kind)) for column, kind in zip(names, query.types, strict=True))
    definition = encoded(View(text, context.session.catalog, context.session.database, columns), name)
    if not context.catalog.has_database(name.database):
        raise StatementFailedError("SCHEMA_NOT_FOUND", f"Schema '{name.database}' does not exist")
    known = context.catalog.find(name)
    if known is None:
        context.catalog.glue.create_table(DatabaseName=name.database, TableInput=definition)  # type: ignore[arg-type]
    elif not is_view(known):
        raise StatementFailedError("TABLE_ALREADY_EXISTS", f"Table already exists: '{name.database}.{name.table}'")
    elif not replaces:
        raise StatementFailedError("TABLE_ALREADY_EXISTS", f"View already exists: '{name.database}.{name.table}'")
    else:
        context.catalog.glue.update_table(DatabaseName=name.database, TableInput=definition)  # type: ignore[arg-type]
    return text_outcome("DDL", "CREATE_VIEW")
