"""What this project replaces in the emulator, declared where each replacement is written.

A declaring module decorates a *factory*: a function that takes the emulator's original and returns the replacement.

    @executes("glue", "StartJobRun", replaces="ministack.services.glue:_start_job_run", signature="(data)")
    def start_job_run(original: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(data: dict[str, Any]) -> Response: ...
        return replacement

``install`` imports the declaring modules, compares every replaced symbol with the installed emulator, and only then
replaces anything: an emulator that differs from the one the replacements were written for is refused by name.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from lakehouse.errors import EmulatorMismatchError

EMULATOR = "ministack"
EMULATOR_VERSION = "1.5.33"

Factory = Callable[[Any], Any]
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class Kind(StrEnum):
    """How an operation is served on the laptop."""

    EXECUTED = "executed"
    FIXED = "fixed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One operation that this project serves differently from the emulator.

    Attributes:
        kind: Executed for real, answer fixed, or refused.
        service: The service, by the name the emulator routes it under (``glue``, ``s3``, ``states``).
        operation: The AWS operation (``StartJobRun``), or the integration (``glue:startJobRun.sync``).
        symbol: ``module:attribute`` that is replaced or added to; empty for a refusal.
        signature: The original's parameters without annotations, or the type's name for a value.
        factory: Makes the replacement from the original; for an addition, makes nothing and is the value itself.
        key: The entry added to the mapping ``symbol``; empty for a replacement.
        note: The symptom of a fix; what to do instead of a refused call; empty otherwise.
    """

    kind: Kind
    service: str
    operation: str
    symbol: str = ""
    signature: str = ""
    factory: Factory | None = None
    key: str = ""
    note: str = ""


# Filled while the declaring modules are imported, by module, in the order they are written.
_declared: dict[str, list[Declaration]] = {}


def _declare(module: str, declaration: Declaration) -> None:
    _declared.setdefault(module, []).append(declaration)


def executes(service: str, operation: str, *, replaces: str, signature: str) -> Callable[[_Decorated], _Decorated]:
    """Declare a factory whose replacement does an operation's work, which the emulator would only pretend to do.

    Args:
        service: The service's name in the emulator's router.
        operation: The AWS operation.
        replaces: ``module:attribute`` of the emulator; the attribute may be dotted (``Worker.invoke``).
        signature: The original's parameters without annotations, as in ``(bucket, key, headers, query_params=None)``,
            or the name of its type where the symbol is a value, as in ``str``.

    Returns:
        The decorator; it returns the factory unchanged.
    """

    def decorate(factory: _Decorated) -> _Decorated:
        _declare(
            factory.__module__, Declaration(Kind.EXECUTED, service, operation, replaces, signature, factory=factory)
        )
        return factory

    return decorate


def fixes(
    service: str, operation: str, *, replaces: str, signature: str, symptom: str
) -> Callable[[_Decorated], _Decorated]:
    """Declare a factory whose replacement answers as AWS does where the emulator's answer differs.

    Args:
        service: The service's name in the emulator's router.
        operation: The AWS operation.
        replaces: ``module:attribute`` of the emulator; the attribute may be dotted.
        signature: The original's parameters without annotations, or the name of its type.
        symptom: What a client sees without the fix, in a sentence.

    Returns:
        The decorator; it returns the factory unchanged.
    """

    def decorate(factory: _Decorated) -> _Decorated:
        _declare(
            factory.__module__,
            Declaration(Kind.FIXED, service, operation, replaces, signature, factory=factory, note=symptom),
        )
        return factory

    return decorate


def adds(service: str, operation: str, *, to: str, key: str) -> Callable[[_Decorated], _Decorated]:
    """Declare a value (the decorated function itself) as a new entry of one of the emulator's dispatch tables.

    Args:
        service: The service's name in the emulator's router.
        operation: The AWS operation or integration.
        to: ``module:attribute`` of the mapping.
        key: The entry's key; the emulator must not have it yet.

    Returns:
        The decorator; it returns the function unchanged.
    """

    def decorate(function: _Decorated) -> _Decorated:
        _declare(function.__module__, Declaration(Kind.EXECUTED, service, operation, to, factory=function, key=key))
        return function

    return decorate


def refuses(service: str, operation: str, *, instead: str) -> None:
    """Declare an operation that nothing executes on the laptop: it is refused by name.

    Args:
        service: The service's name in the emulator's router.
        operation: The AWS operation.
        instead: What the caller can do, as a sentence that follows the refusal.
    """
    module = sys._getframe(1).f_globals["__name__"]  # noqa: SLF001 - the declaring module is the caller
    _declare(module, Declaration(Kind.REFUSED, service, operation, note=instead))


def declarations(modules: Iterable[str]) -> list[Declaration]:
    """Import the declaring modules and list what they declare.

    Args:
        modules: Their full names.

    Returns:
        The declarations, in the order of the modules and of their lines.
    """
    found: list[Declaration] = []
    for module in modules:
        importlib.import_module(module)
        found += _declared.get(module, [])
    return found


def install(modules: Iterable[str]) -> list[Declaration]:
    """Check the installed emulator against the declarations, then replace its symbols.

    The emulator must not have been given requests yet; its modules are imported here.

    Args:
        modules: Full names of the declaring modules.

    Returns:
        Everything that was declared, refusals included.

    Raises:
        EmulatorMismatchError: The emulator's version or one or more symbols differ; the message names every one, and
            nothing was replaced.
    """
    declared = declarations(modules)
    differences = [*_version_difference(), *(problem for each in declared if (problem := _difference(each)))]
    if differences:
        listed = "".join(f"\n  - {difference}" for difference in differences)
        raise EmulatorMismatchError(
            f"The installed {EMULATOR} is not the one this project's executors and fixes were written for; "
            f"{len(differences)} difference(s):{listed}\n"
            f"Install the pinned version (make setup installs {EMULATOR} {EMULATOR_VERSION}), "
            "or review each replacement named above against the installed version."
        )
    for declaration in declared:
        _apply(declaration)
    return declared


def _version_difference() -> list[str]:
    installed = importlib.metadata.version(EMULATOR)
    if installed == EMULATOR_VERSION:
        return []
    return [f"version: found {installed}, expected {EMULATOR_VERSION}"]


def _difference(declaration: Declaration) -> str:
    """How the emulator differs from what one declaration expects; empty where it does not."""
    if not declaration.symbol:
        return ""
    used_by = f"{declaration.kind} {declaration.service} {declaration.operation}"
    try:
        holder, name = _locate(declaration.symbol)
        original = getattr(holder, name)
    except (ImportError, AttributeError):
        return f"{declaration.symbol}: not found ({used_by})"
    if declaration.key:
        problem = _table_difference(declaration, original)
    else:
        found = describe_signature(original)
        problem = "" if found == declaration.signature else f": found {found}, expected {declaration.signature}"
    return f"{declaration.symbol}{problem} ({used_by})" if problem else ""


def _table_difference(declaration: Declaration, table: object) -> str:
    """Why an entry cannot be added to a table; empty where it can."""
    if not isinstance(table, MutableMapping):
        return f": found {type(table).__name__}, expected a mapping"
    if declaration.key in table:
        return f"[{declaration.key!r}]: the emulator has this entry by now"
    return ""


def describe_signature(original: object) -> str:
    """The form in which a declaration states what it replaces.

    Args:
        original: A function, a method or a value.

    Returns:
        A callable's parameters with defaults and without annotations, else the name of the value's type.
    """
    if not callable(original):
        return type(original).__name__
    signature = inspect.signature(original)
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _locate(symbol: str) -> tuple[Any, str]:
    """The object that holds a symbol, and the symbol's name in it."""
    module, _, path = symbol.partition(":")
    holder: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        holder = getattr(holder, parent)
    return holder, name


def _apply(declaration: Declaration) -> None:
    if declaration.factory is None:
        return
    holder, name = _locate(declaration.symbol)
    if declaration.key:
        getattr(holder, name)[declaration.key] = declaration.factory
        return
    setattr(holder, name, declaration.factory(getattr(holder, name)))
