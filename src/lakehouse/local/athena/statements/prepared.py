"""PREPARE, EXECUTE and DEALLOCATE PREPARE: the same prepared statements as the API's.

https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.outcome import Outcome, text_outcome

if TYPE_CHECKING:
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.statements.tokens import Tokens

Execute = Callable[["Context", str, Sequence[str]], Outcome]


def prepare(context: Context, tokens: Tokens) -> Outcome:
    """PREPARE name FROM statement.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: The name is taken by now, or is none.
    """
    tokens.expect("prepare")
    name = tokens.identifier()
    tokens.expect("from")
    arguments = {"StatementName": name, "WorkGroup": context.workgroup, "QueryStatement": tokens.rest()}
    try:
        _delete(context, name)
        context.athena.create_prepared_statement(**arguments)
    except ClientError as error:
        raise StatementFailedError("INVALID_ARGUMENTS", str(error.response["Error"]["Message"])) from error
    return text_outcome("UTILITY", "PREPARE")


def _delete(context: Context, name: str) -> bool:
    try:
        context.athena.delete_prepared_statement(StatementName=name, WorkGroup=context.workgroup)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"ResourceNotFoundException", "InvalidRequestException"}:
            raise
        return False
    return True


def deallocate(context: Context, tokens: Tokens) -> Outcome:
    """DEALLOCATE PREPARE name.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: There is no such prepared statement.
    """
    tokens.expect("deallocate", "prepare")
    name = tokens.identifier()
    tokens.done()
    if not _delete(context, name):
        raise _not_found(name)
    return text_outcome("UTILITY", "DEALLOCATE")


def _not_found(name: str) -> StatementFailedError:
    return StatementFailedError("NOT_FOUND", f"Prepared statement not found: {name}")


def execute(context: Context, tokens: Tokens, sent: Sequence[str], run: Execute) -> Outcome:
    """EXECUTE name [USING values].

    Args:
        context: The statement's surroundings.
        tokens: The statement.
        sent: Values that were sent beside the statement, where none are in it.
        run: Executes a statement with values.

    Returns:
        The prepared statement's outcome.

    Raises:
        StatementFailedError: There is no such prepared statement, or it fails.
    """
    tokens.expect("execute")
    name = tokens.identifier()
    values = _values(tokens) if tokens.accept("using") else sent
    tokens.done()
    try:
        found = context.athena.get_prepared_statement(StatementName=name, WorkGroup=context.workgroup)
    except ClientError as error:
        raise _not_found(name) from error
    return run(context, found["PreparedStatement"]["QueryStatement"], values)


def _values(tokens: Tokens) -> list[str]:
    """Expressions, separated by the commas that are in no parentheses."""
    found: list[list[str]] = [[]]
    depth = 0
    while not tokens.is_done:
        token = tokens.take()
        depth += (token.text in {"(", "["}) - (token.text in {")", "]"})
        if token.text == "," and not depth:
            found.append([])
        else:
            found[-1].append(token.text)
    return [" ".join(parts) for parts in found]
