"""What names stand for at a place of a query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.sql_types import Row, SqlType, literal, quoted
from lakehouse.local.athena.sql.typed import Typed

if TYPE_CHECKING:
    from sqlglot import exp

    from lakehouse.local.athena.sql.scans import Scan


@dataclass(frozen=True, slots=True)
class Column:
    """A column that an expression can name.

    Attributes:
        name: Its name in the statement; None where it has none.
        type: Its type.
        sql: DuckDB's text for it.
        is_hidden: Whether ``*`` leaves it out, as ``"$path"``.
        scan: The table's scan that it comes from.
        own_name: Its name in that table, whatever an alias calls it.
        is_optional: Whether an outer join has null in its place where the table has no such row.
    """

    name: str | None
    type: SqlType
    sql: str
    is_hidden: bool = False
    scan: Scan | None = None
    own_name: str = ""
    is_optional: bool = False

    def read(self) -> Typed:
        """Use the column.

        Returns:
            The expression; the scan notes that the column is read.
        """
        if self.scan is not None:
            self.scan.use(self.own_name)
        return Typed(self.sql, self.type)


@dataclass(frozen=True, slots=True)
class Relation:
    """What stands in a FROM clause under one name.

    Attributes:
        columns: Its columns.
        alias: Its name, None for a join or a query without one.
        qualifiers: The names before the alias by which it may be called too, as schema and catalog.
    """

    columns: tuple[Column, ...]
    alias: str | None = None
    qualifiers: tuple[str, ...] = ()

    def is_called(self, names: Sequence[str]) -> bool:
        """Whether a qualified name means this relation.

        Args:
            names: Alias, or schema and alias, or catalog, schema and alias; in lower case.

        Returns:
            True where it does.
        """
        if self.alias is None or self.alias.lower() != names[-1]:
            return False
        before = names[:-1]
        return not before or list(before) == list(self.qualifiers)[len(self.qualifiers) - len(before) :]


@dataclass(slots=True)
class Scope:
    """The relations of a query, and those of the queries around it.

    Attributes:
        relations: In the order of the FROM clause.
        parent: Of the query around.
        parameters: Parameters of the lambda expressions around, by name in lower case.
        merged: Columns that a join by name made one, by name in lower case.
    """

    relations: list[Relation] = field(default_factory=list)
    parent: Scope | None = None
    parameters: Mapping[str, Typed] = field(default_factory=dict)
    merged: dict[str, Column] = field(default_factory=dict)

    def with_parameters(self, parameters: Mapping[str, Typed]) -> Scope:
        """The scope inside a lambda expression.

        Args:
            parameters: Its parameters, by name in lower case.

        Returns:
            The scope.
        """
        # What an inner parameter hides still counts: names in DuckDB are made of how many there are.
        hidden = {
            f"{name} {len(self.parameters)}": self.parameters[name] for name in parameters if name in self.parameters
        }
        return Scope(self.relations, self.parent, {**self.parameters, **hidden, **parameters}, self.merged)

    def resolve(self, identifiers: Sequence[exp.Identifier]) -> Typed:
        """What a name with dots means: a column, perhaps of a named relation, then fields of rows.

        Args:
            identifiers: Its parts.

        Returns:
            The expression.

        Raises:
            StatementFailedError: Nothing has that name, or several things have.
        """
        names = [one.name.lower() for one in identifiers]
        scope: Scope | None = self
        while scope is not None:
            found = scope._find(names, identifiers)
            if found is not None:
                return found
            scope = scope.parent
        raise failure_at(
            identifiers[0],
            "COLUMN_NOT_FOUND",
            f"Column '{'.'.join(one.name for one in identifiers)}' cannot be resolved",
        )

    def _find(self, names: list[str], identifiers: Sequence[exp.Identifier]) -> Typed | None:
        if names[0] in self.parameters:
            return _fields(self.parameters[names[0]], identifiers[1:])
        # The longest qualification wins: catalog.schema.table.column before schema.table.column.field.
        for length in range(min(3, len(names) - 1), -1, -1):
            qualifiers, rest = names[:length], names[length:]
            relations = [one for one in self.relations if not qualifiers or one.is_called(qualifiers)]
            columns = [column for one in relations for column in one.columns if (column.name or "").lower() == rest[0]]
            if not qualifiers and rest[0] in self.merged:
                columns.append(self.merged[rest[0]])
            if len(columns) > 1:
                raise failure_at(identifiers[0], "AMBIGUOUS_NAME", f"Column '{identifiers[length].name}' is ambiguous")
            if columns:
                return _fields(columns[0].read(), identifiers[length + 1 :])
        return None

    def star(self, qualifiers: Sequence[str]) -> list[Column]:
        """The columns of ``*``, or of ``a.*``.

        Args:
            qualifiers: The names before the star, in lower case.

        Returns:
            Columns; those that a join by name made one come first, as in Trino.
        """
        if qualifiers:
            relations = [one for one in self.relations if one.is_called(qualifiers)]
            return [column for one in relations for column in one.columns if not column.is_hidden]
        rest = [column for one in self.relations for column in one.columns if not column.is_hidden]
        return [*self.merged.values(), *rest]


def _fields(base: Typed, identifiers: Iterable[exp.Identifier]) -> Typed:
    for identifier in identifiers:
        base = field_of(base, identifier)
    return base


def field_of(base: Typed, identifier: exp.Identifier) -> Typed:
    """A row's field.

    Args:
        base: The row.
        identifier: The field's name.

    Returns:
        The field.

    Raises:
        StatementFailedError: It is no row, or has no such field.
    """
    if not isinstance(base.type, Row):
        raise failure_at(identifier, "TYPE_MISMATCH", f"Expression {identifier.name} is not of type ROW")
    name = identifier.name.lower()
    for held, (own, kind) in zip(base.type.held_names, base.type.fields, strict=True):
        if own is not None and own.lower() == name:
            return Typed(f"struct_extract({base.sql}, {literal(held)})", kind)
    raise failure_at(identifier, "COLUMN_NOT_FOUND", f"Column '{identifier.name}' cannot be resolved")


def failure_at(node: exp.Expr, code: str, text: str) -> StatementFailedError:
    """A failure at a place of the statement.

    Args:
        node: The place.
        code: Trino's name of the error.
        text: What is wrong.

    Returns:
        The failure, to be raised.
    """
    # Trino's message is made of where an expression begins; only names and calls know that here.
    for one in node.walk():
        if "line" in one.meta:
            column = one.meta["col"] - (one.meta["end"] - one.meta["start"])
            return StatementFailedError(code, text, line=one.meta["line"], column=column)
    return StatementFailedError(code, text)


def physical_names(names: Sequence[str | None]) -> list[str]:
    """Names that DuckDB can tell apart, for columns that may have none, or the same.

    Args:
        names: The columns' names.

    Returns:
        A name each.
    """
    taken: set[str] = set()
    found = []
    for index, name in enumerate(names):
        base = name or f"_col{index}"
        candidate, count = base, 0
        while candidate.lower() in taken:
            count += 1
            candidate = f"{base}_{count}"
        taken.add(candidate.lower())
        found.append(candidate)
    return found


def column_sql(alias: str, name: str) -> str:
    """DuckDB's text for a column.

    Args:
        alias: The relation's name in DuckDB.
        name: The column's name in DuckDB.

    Returns:
        Both in double quotes.
    """
    return f"{quoted(alias)}.{quoted(name)}"
