"""How an operation of the catalog is declared, and what all of them have in common: one at a time, errors, pages."""

from __future__ import annotations

import base64
import functools
import json
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, json_response

from lakehouse.local.fixes.glue_catalog.durable import journaled
from lakehouse.local.gate import REFUSED_CODE
from lakehouse.local.registry import adds, fixes

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], Any]
Operation = Callable[[Json], Json]
# What a listing is sorted by.
Place = str | list[str]

_GLUE = "ministack.services.glue"

# The operations that the emulator does not know, by name.
OPERATIONS: dict[str, Callable[[Json], Answer]] = {}

# The emulator serves each request of Glue in a thread of its own: what is checked must still hold when it is changed.
at_work = threading.RLock()


class CatalogError(Exception):
    """An error that Glue answers with.

    Attributes:
        code: The error's name, as in ``EntityNotFoundException``.
    """

    def __init__(self, code: str, message: str) -> None:
        """Make the error.

        Args:
            code: Its name.
            message: Its text.
        """
        super().__init__(message)
        self.code = code

    def detail(self) -> Json:
        """The error of one entry of a batch: https://docs.aws.amazon.com/glue/latest/webapi/API_ErrorDetail.html."""
        return {"ErrorCode": self.code, "ErrorMessage": str(self)}


def missing(message: str) -> CatalogError:
    """What was named does not exist."""
    return CatalogError("EntityNotFoundException", message)


def existing(message: str) -> CatalogError:
    """What was to be created exists."""
    return CatalogError("AlreadyExistsException", message)


def invalid(message: str) -> CatalogError:
    """The request makes no sense."""
    return CatalogError("InvalidInputException", message)


def refuse(data: Mapping[str, Any], operation: str, *members: str, instead: str) -> None:
    """Refuse by name what nothing on the laptop carries out.

    Args:
        data: The request.
        operation: Its operation.
        members: Members of the request that must not be given.
        instead: What to do instead, as a sentence.

    Raises:
        CatalogError: One of them is given.
    """
    for member in members:
        if data.get(member):
            raise CatalogError(
                REFUSED_CODE, f"glue {operation}: {member} is not executed on the laptop, so it is refused. {instead}"
            )


def mends(operation: str, *, replaces: str, symptom: str) -> Callable[[Operation], Operation]:
    """Declare a function as the fix of one of the emulator's operations.

    Args:
        operation: The AWS operation.
        replaces: The emulator's function.
        symptom: What a client sees without the fix.

    Returns:
        The decorator; it returns the function unchanged. The function takes a request, returns the answer's body, and
        raises CatalogError.
    """

    def decorate(function: Operation) -> Operation:
        handler = _handler(function)

        @functools.wraps(function)
        def factory(_: Callable[..., Any]) -> Callable[[Json], Answer]:
            return handler

        fixes("glue", operation, replaces=f"{_GLUE}:{replaces}", signature="(data)", symptom=symptom)(factory)
        return function

    return decorate


def supplies(operation: str) -> Callable[[Operation], Operation]:
    """Declare a function as an operation that the emulator does not know.

    Args:
        operation: The AWS operation.

    Returns:
        The decorator, as that of ``mends``.
    """

    def decorate(function: Operation) -> Operation:
        adds("glue", operation, to=f"{__name__}:OPERATIONS", key=operation)(_handler(function))
        return function

    return decorate


def _handler(operation: Operation) -> Callable[[Json], Answer]:
    @functools.wraps(operation)
    def handler(data: Json) -> Answer:
        try:
            with at_work, journaled():
                _check_catalog(data)
                answer: Answer = json_response(operation(data))
        except CatalogError as error:
            answer = error_response_json(error.code, str(error), 400)
        return answer

    return handler


def _check_catalog(data: Mapping[str, Any]) -> None:
    """The laptop has one catalog, the account's own."""
    catalog = data.get("CatalogId")
    if catalog and catalog != get_account_id():
        raise missing(f"Catalog {catalog} not found.")


def page(
    data: Mapping[str, Any], member: str, listed: Sequence[tuple[Place, Any]], *, largest: int, key: str = "NextToken"
) -> Json:
    """One page of a listing.

    The token names the last entry answered, so that nothing is skipped when entries are deleted in between.

    Args:
        data: The request.
        member: The member of the answer that holds the entries.
        listed: All entries, in the order of their places.
        largest: The most entries a page may have, which is also how many it has where nothing is asked for.
        key: The name of the token.

    Returns:
        The answer.

    Raises:
        CatalogError: The page's size or the token are not valid.
    """
    size = data.get("MaxResults") or largest
    if not 1 <= size <= largest:
        raise invalid(f"MaxResults must be between 1 and {largest}.")
    start = 0
    if data.get("NextToken"):
        start = bisect_right(listed, _place(data["NextToken"], listed), key=lambda entry: entry[0])
    entries = listed[start : start + size]
    answer: Json = {member: [entry for _, entry in entries]}
    if start + size < len(listed):
        answer[key] = base64.urlsafe_b64encode(json.dumps(entries[-1][0]).encode()).decode()
    return answer


def _place(token: str, listed: Sequence[tuple[Place, Any]]) -> Place:
    try:
        place: Place = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise invalid("The pagination token is not valid.") from error
    if listed and type(place) is not type(listed[0][0]):
        raise invalid("The pagination token is not valid.")
    return place


def limited(data: Mapping[str, Any], member: str, largest: int) -> list[Any]:
    """The entries of a batch, which Glue takes only so many of.

    Args:
        data: The request.
        member: The member that holds the entries.
        largest: How many there may be.

    Returns:
        The entries.

    Raises:
        CatalogError: There are more.
    """
    entries: list[Any] = data.get(member) or []
    if len(entries) > largest:
        name = member[0].lower() + member[1:]
        raise invalid(
            f"1 validation error detected: Value at '{name}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {largest}"
        )
    return entries


@fixes(
    "glue",
    "GetTableVersions",
    replaces=f"{_GLUE}:_handle_request_sync",
    signature="(method, path, headers, body, query_params)",
    symptom="the operation is unknown",
)
def handle_request_sync(original: Callable[..., Answer]) -> Callable[..., Answer]:
    """The operations that are supplied are found."""

    def replacement(method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Any) -> Answer:
        handler = OPERATIONS.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if handler is None:
            return original(method, path, headers, body, query_params)
        try:
            data = json.loads(body or b"{}")
        except ValueError:
            refused: Answer = error_response_json("SerializationException", "Invalid JSON", 400)
            return refused
        return handler(data)

    return replacement
