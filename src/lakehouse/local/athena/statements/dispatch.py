"""Which statement a text is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import not_supported
from lakehouse.local.athena.statements import (
    alter,
    changes,
    create_table,
    ctas,
    databases,
    drop,
    maintenance,
    parameters,
    partitions,
    prepared,
    queries,
    show,
    unload,
    view_statements,
)
from lakehouse.local.athena.statements.tokens import Tokens, without_comments

if TYPE_CHECKING:
    from lakehouse.local.athena.outcome import Outcome
    from lakehouse.local.athena.statements.context import Context

Handler = Callable[["Context", Tokens], "Outcome"]

# By the words that a statement begins with; the longest that match count.
_HANDLERS: dict[tuple[str, ...], Handler] = {
    ("create", "database"): databases.create,
    ("create", "schema"): databases.create,
    ("drop", "database"): databases.drop,
    ("drop", "schema"): databases.drop,
    ("alter", "database"): databases.alter,
    ("alter", "schema"): databases.alter,
    ("create", "external", "table"): create_table.create,
    ("create", "table"): ctas.create,
    ("create", "view"): view_statements.create,
    ("create", "or", "replace", "view"): view_statements.create,
    ("drop", "table"): drop.table,
    ("drop", "view"): drop.view,
    ("alter", "table"): alter.table,
    ("alter", "view"): alter.table,
    ("insert", "into"): ctas.insert,
    ("merge",): changes.merge,
    ("update",): changes.update,
    ("delete",): changes.delete,
    ("show",): show.show,
    ("describe",): show.describe,
    ("desc",): show.describe,
    ("explain",): show.explain,
    ("msck",): partitions.repair,
    ("unload",): unload.unload,
    ("optimize",): maintenance.optimize,
    ("vacuum",): maintenance.vacuum,
    ("deallocate",): prepared.deallocate,
}
_QUERIES = frozenset({"select", "with", "values", "table", "("})
# Statements of Trino or Hive that Athena itself refuses.
_REFUSED = frozenset(
    {
        *(
            "grant",
            "revoke",
            "deny",
            "use",
            "set",
            "reset",
            "call",
            "analyze",
            "truncate",
            "comment",
            "start",
            "commit",
        ),
        *("rollback", "export", "import", "lock", "unlock", "load"),
    }
)


def execute(context: Context, sql: str, values: Sequence[str] = ()) -> Outcome:
    """Execute a statement.

    Args:
        context: Its surroundings.
        sql: Its text.
        values: Values of its question marks, as they are written in SQL.

    Returns:
        Its outcome.

    Raises:
        StatementFailedError: It fails.
    """
    text = without_comments(sql)
    tokens = Tokens(text)
    first = tokens.peek()
    if first == "execute":
        return prepared.execute(context, tokens, values, execute)
    if first == "prepare":
        return prepared.prepare(context, tokens)
    text = parameters.bound(text, values)
    tokens = Tokens(text)
    if first in _QUERIES:
        return queries.select(context, text)
    for length in (4, 3, 2, 1):
        handler = _HANDLERS.get(tuple(tokens.peek(index) for index in range(length)))
        if handler is not None:
            return handler(context, tokens)
    if first in _REFUSED or first in {"create", "drop", "alter"}:
        words = " ".join(tokens.peek(index) for index in range(2)).upper()
        raise not_supported(f"The statement {words}", "Athena does not execute it either.")
    raise tokens.unexpected()
