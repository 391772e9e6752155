"""CREATE, DROP and ALTER DATABASE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.outcome import Outcome, text_outcome

if TYPE_CHECKING:
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.statements.tokens import Tokens


def create(context: Context, tokens: Tokens) -> Outcome:
    """CREATE DATABASE, https://docs.aws.amazon.com/athena/latest/ug/create-database.html.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: There is such a database.
    """
    tokens.take()
    tokens.take()
    is_lenient = tokens.accept("if", "not", "exists")
    name = tokens.identifier().lower()
    definition: dict[str, Any] = {"Name": name}
    while not tokens.is_done:
        if tokens.accept("comment"):
            definition["Description"] = tokens.string()
        elif tokens.accept("location"):
            definition["LocationUri"] = tokens.string()
        elif tokens.accept("with", "dbproperties"):
            definition["Parameters"] = tokens.properties()
        else:
            raise tokens.unexpected()
    try:
        context.catalog.glue.create_database(DatabaseInput=definition)  # type: ignore[arg-type]
    except context.catalog.glue.exceptions.AlreadyExistsException as error:
        if not is_lenient:
            raise StatementFailedError(
                "FAILED",
                "Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
                f"Database {name} already exists",
            ) from error
    return text_outcome("DDL", "CREATE_DATABASE")


def drop(context: Context, tokens: Tokens) -> Outcome:
    """DROP DATABASE, https://docs.aws.amazon.com/athena/latest/ug/drop-database.html.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: There is no such database, or it has tables.
    """
    tokens.take()
    tokens.take()
    is_lenient = tokens.accept("if", "exists")
    name = tokens.identifier().lower()
    cascades = tokens.accept("cascade")
    if not cascades:
        tokens.accept("restrict")
    tokens.done()
    if not context.catalog.has_database(name):
        if is_lenient:
            return text_outcome("DDL", "DROP_DATABASE")
        raise StatementFailedError(
            "SCHEMA_NOT_FOUND", f"SemanticException [Error 10072]: Database does not exist: {name}"
        )
    if not cascades and next(iter(context.catalog.tables(name)), None) is not None:
        raise StatementFailedError(
            "SCHEMA_NOT_EMPTY",
            f"InvalidOperationException(message:Database {name} is not empty. One or more tables exist.)",
        )
    context.catalog.glue.delete_database(Name=name)
    return text_outcome("DDL", "DROP_DATABASE")


def alter(context: Context, tokens: Tokens) -> Outcome:
    """ALTER DATABASE SET DBPROPERTIES.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: There is no such database.
    """
    tokens.take()
    tokens.take()
    name = tokens.identifier().lower()
    tokens.expect("set", "dbproperties")
    properties = tokens.properties()
    tokens.done()
    if not context.catalog.has_database(name):
        raise StatementFailedError(
            "SCHEMA_NOT_FOUND", f"SemanticException [Error 10072]: Database does not exist: {name}"
        )
    found = context.catalog.glue.get_database(Name=name)["Database"]
    known: dict[str, Any] = dict(found)
    definition: dict[str, Any] = {key: known[key] for key in ("Name", "Description", "LocationUri") if key in known}
    definition["Parameters"] = {**found.get("Parameters", {}), **properties}
    context.catalog.glue.update_database(Name=name, DatabaseInput=definition)  # type: ignore[arg-type]
    return text_outcome("DDL", "ALTER_DATABASE")
