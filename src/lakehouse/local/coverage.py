"""What the laptop executes, what it answers with a fix, what only keeps state, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.local import registry
from lakehouse.local.executors import MODULES
from lakehouse.local.registry import Kind
from lakehouse.local.services import SERVED

ALL_OTHERS = "(all others)"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        service: The service.
        operation: The operation, or ``ALL_OTHERS``.
        kind: ``executed`` by this project; ``fixed``: the emulator's answer, mended; ``refused`` by name;
            ``emulated``: the emulator does the work; ``state only``: it keeps what it is told.
        note: The symptom of a fix, what to do instead of a refused call, or what is true of the service.
    """

    service: str
    operation: str
    kind: str
    note: str


def rows() -> list[Row]:
    """Everything that is declared, and what holds for the rest of each service.

    A service that is not in the table is refused as a whole.

    Returns:
        Rows by service, operation and status; the rest of a service comes last.
    """
    notes: dict[tuple[str, str, str], list[str]] = {}
    for declared in registry.declarations(MODULES):
        found = notes.setdefault((declared.service, declared.operation, str(declared.kind)), [])
        if declared.note and declared.note not in found:
            found.append(declared.note)
    # Where an operation is executed, that its answer is mended as well is a detail of the execution.
    executed = {(service, operation) for service, operation, kind in notes if kind == Kind.EXECUTED}
    listed = [
        Row(service, operation, kind, "; ".join(found))
        for (service, operation, kind), found in notes.items()
        if not (kind == Kind.FIXED and (service, operation) in executed)
    ]
    listed += [Row(service.name, ALL_OTHERS, str(service.native), service.note) for service in SERVED.values()]
    return sorted(listed, key=lambda row: (row.service, row.operation == ALL_OTHERS, row.operation, row.kind))


@dataclass(frozen=True, slots=True)
class Group:
    """Operations of one service that share kind and note.

    Attributes:
        service: The service.
        kind: See ``Row``.
        operations: Their names.
        note: See ``Row``.
    """

    service: str
    kind: str
    operations: tuple[str, ...]
    note: str


def groups() -> list[Group]:
    """The rows, with those that differ in the operation only put together.

    Returns:
        Groups by service; what is executed first, the rest of the service last.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in rows():
        found.setdefault((row.service, row.kind, row.note), []).append(row.operation)
    each = [Group(service, kind, tuple(names), note) for (service, kind, note), names in found.items()]
    return sorted(each, key=lambda group: (group.service, ALL_OTHERS in group.operations, group.kind))


def markdown() -> str:
    """The page for docs/: the same table, for a reader.

    Returns:
        Markdown, ending in a line break.
    """
    lines = [
        "# What the laptop executes",
        "",
        "Printed by `lakehouse local coverage --output markdown`; a test keeps it current.",
        "A service that is not listed is refused as a whole, by name.",
        "",
        "| service | on the laptop | operations | note |",
        "| --- | --- | --- | --- |",
    ]
    for group in groups():
        names = ", ".join(name if name == ALL_OTHERS else f"`{name}`" for name in group.operations)
        lines.append(f"| {group.service} | {group.kind} | {names} | {group.note.replace('|', '/')} |")
    return "\n".join(lines) + "\n"
