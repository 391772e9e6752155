"""Forms that are written in a way of their own: CASE, CAST, EXTRACT, ARRAY[…], and calls with rules of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql import json_forms
from lakehouse.local.athena.sql.casts import cast
from lakehouse.local.athena.sql.functions.conversions import formatted
from lakehouse.local.athena.sql.literals import type_sql, typed_literal
from lakehouse.local.athena.sql.operators import comparison
from lakehouse.local.athena.sql.scope import failure_at
from lakehouse.local.athena.sql.sql_types import INTEGER, UNKNOWN, VARCHAR, Array, Map, Row, literal
from lakehouse.local.athena.sql.type_text import parse_type
from lakehouse.local.athena.sql.typed import Typed, unified

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.expressions import Expressions


def _case(expressions: Expressions, node: exp.Case) -> Typed:
    subject = None if node.this is None else expressions.compile(node.this)
    conditions, values = [], []
    for branch in node.args["ifs"]:
        if subject is None:
            conditions.append(expressions.boolean(branch.this, "CASE WHEN clause"))
        else:
            conditions.append(comparison("=", subject, expressions.compile(branch.this)).sql)
        values.append(expressions.compile(branch.args["true"]))
    default = node.args.get("default")
    values.append(Typed("NULL", UNKNOWN) if default is None else expressions.compile(default))
    same = unified(values)
    if same is None:
        kinds = ", ".join(str(one.type) for one in values)
        raise failure_at(
            node,
            "TYPE_MISMATCH",
            "All CASE results must be the same type or coercible to a common type. Cannot find common type between "
            f"{kinds}",
        )
    branches = " ".join(f"WHEN {test} THEN {one.sql}" for test, one in zip(conditions, same, strict=False))
    return Typed(f"(CASE {branches} ELSE {same[-1].sql} END)", same[0].type)


def _if(expressions: Expressions, node: exp.If) -> Typed:
    condition = expressions.boolean(node.this, "IF condition")
    otherwise = node.args.get("false")
    values = [
        expressions.compile(node.args["true"]),
        Typed("NULL", UNKNOWN) if otherwise is None else expressions.compile(otherwise),
    ]
    same = unified(values)
    if same is None:
        raise failure_at(
            node, "TYPE_MISMATCH", f"Result types for IF must be the same: {values[0].type} vs {values[1].type}"
        )
    return Typed(f"(CASE WHEN {condition} THEN {same[0].sql} ELSE {same[1].sql} END)", same[0].type)


def _cast(expressions: Expressions, node: exp.Cast) -> Typed:
    if node.this.is_string and node.meta.get("typed_literal") is not None:
        return typed_literal(str(node.this.this), node)
    wanted = parse_type(type_sql(node.to))
    given = expressions.compile(node.this)
    try:
        found = cast(given, wanted, expressions.statement.session.now.date())
    except StatementFailedError as error:
        # A literal that is no such value is found out before the query runs.
        if not isinstance(node, exp.TryCast) or error.code != "INVALID_CAST_ARGUMENT":
            raise
        found = cast(Typed("NULL", UNKNOWN), wanted)
    if isinstance(node, exp.TryCast):
        return Typed(f"TRY({found.sql})", found.type)
    return found


def _extract(expressions: Expressions, node: exp.Extract) -> Typed:
    return expressions.called(str(node.this.name).lower(), [node.expression], node)


def _at_time_zone(expressions: Expressions, node: exp.AtTimeZone) -> Typed:
    return expressions.called("at_timezone", [node.this, node.args["zone"]], node)


def _trim(expressions: Expressions, node: exp.Trim) -> Typed:
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
    arguments = [node.this, *([node.expression] if node.expression is not None else [])]
    return expressions.called(name, arguments, node)


def _position(expressions: Expressions, node: exp.StrPosition) -> Typed:
    return expressions.called("strpos", [node.this, node.args["substr"]], node)


def _substring(expressions: Expressions, node: exp.Substring) -> Typed:
    arguments = [node.this, node.args.get("start"), node.args.get("length")]
    return expressions.called("substr", [one for one in arguments if one is not None], node)


def _normalize(expressions: Expressions, node: exp.Normalize) -> Typed:
    form = node.args.get("form")
    name = [] if form is None else [exp.Literal.string(form.name.upper())]
    return expressions.called("normalize", [node.this, *name], node)


def _array(expressions: Expressions, node: exp.Array) -> Typed:
    if not node.expressions:
        return Typed("[]", Array(UNKNOWN))
    elements = [expressions.compile(one) for one in node.expressions]
    same = unified(elements)
    if same is None:
        kinds = ", ".join(str(one.type) for one in elements)
        raise failure_at(node, "TYPE_MISMATCH", f"All ARRAY elements must be the same type: {kinds}")
    return Typed(f"[{', '.join(one.sql for one in same)}]", Array(same[0].type))


def _row(expressions: Expressions, elements: Sequence[exp.Expr]) -> Typed:
    fields = [expressions.compile(one) for one in elements]
    kind = Row((None,) * len(fields), tuple(one.type for one in fields))
    packed = ", ".join(f"{held} := {one.sql}" for held, one in zip(kind.held_names, fields, strict=True))
    return Typed(f"struct_pack({packed})", kind)


def _tuple(expressions: Expressions, node: exp.Tuple) -> Typed:
    return _row(expressions, node.expressions)


def _bracket(expressions: Expressions, node: exp.Bracket) -> Typed:
    base, index = expressions.compile(node.this), expressions.compile(node.expressions[0])
    return _subscript(expressions, base, index)


def _subscript(expressions: Expressions, base: Typed, index: Typed) -> Typed:
    if isinstance(base.type, Row):
        if not index.is_literal or not isinstance(index.value, int) or not 0 < index.value <= len(base.type.types):
            raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"ROW index out of bounds: {index.value}")
        held = base.type.held_names[index.value - 1]
        return Typed(f"struct_extract({base.sql}, {literal(held)})", base.type.types[index.value - 1])
    if not isinstance(base.type, Array | Map):
        raise StatementFailedError("TYPE_MISMATCH", f"Cannot apply operator: {base.type}[{index.type}]")
    return expressions.call_typed("$subscript", [base, index])


def _try(expressions: Expressions, node: exp.Anonymous) -> Typed:
    inside = expressions.compile(node.expressions[0])
    return Typed(f"TRY({inside.sql})", inside.type)


def _coalesce(expressions: Expressions, node: exp.Anonymous) -> Typed:
    values = [expressions.compile(one) for one in node.expressions]
    same = unified(values)
    if same is None:
        kinds = ", ".join(str(one.type) for one in values)
        raise failure_at(
            node,
            "TYPE_MISMATCH",
            "All COALESCE operands must be the same type or coercible to a common type. Cannot find common type "
            f"between {kinds}",
        )
    return Typed(f"coalesce({', '.join(one.sql for one in same)})", same[0].type)


def _nullif(expressions: Expressions, node: exp.Anonymous) -> Typed:
    first, second = (expressions.compile(one) for one in node.expressions)
    equal = comparison("=", first, second)
    return Typed(f"(CASE WHEN {equal.sql} THEN NULL ELSE {first.sql} END)", first.type)


def _row_call(expressions: Expressions, node: exp.Anonymous) -> Typed:
    return _row(expressions, node.expressions)


def _grouping(expressions: Expressions, node: exp.Anonymous) -> Typed:
    columns = ", ".join(expressions.compile(one).sql for one in node.expressions)
    return Typed(f"CAST(grouping({columns}) AS INTEGER)", INTEGER)


def _typeof(expressions: Expressions, node: exp.Anonymous) -> Typed:
    name = str(expressions.compile(node.expressions[0]).type)
    return Typed(literal(name), VARCHAR, name, is_literal=True)


def _format(expressions: Expressions, node: exp.Anonymous) -> Typed:
    return formatted([expressions.compile(one) for one in node.expressions])


def _json_form(expressions: Expressions, node: exp.Anonymous) -> Typed:
    return json_forms.compiled(node, expressions.compile, type_sql)


def _json_literal(expressions: Expressions, node: exp.ParseJSON) -> Typed:
    return expressions.called("json_parse", [node.this], node)


FORMS: dict[type[exp.Expr], Callable[[Expressions, Any], Typed]] = {
    exp.Case: _case,
    exp.If: _if,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Extract: _extract,
    exp.AtTimeZone: _at_time_zone,
    exp.Trim: _trim,
    exp.StrPosition: _position,
    exp.Substring: _substring,
    exp.Normalize: _normalize,
    exp.Array: _array,
    exp.Tuple: _tuple,
    exp.Bracket: _bracket,
    exp.ParseJSON: _json_literal,
}
# Functions by name that are no overloads of anything.
SPECIAL: dict[str, Callable[[Expressions, Any], Typed]] = {
    "try": _try,
    "coalesce": _coalesce,
    "nullif": _nullif,
    "row": _row_call,
    "grouping": _grouping,
    "typeof": _typeof,
    "format": _format,
    **dict.fromkeys(("json_value", "json_query", "json_exists", "json_object", "json_array"), _json_form),
}
