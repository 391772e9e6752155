"""Macros that casts, texts and operators call: what Java and Joda do where DuckDB does something else."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.functions.library import macro, python
from lakehouse.local.athena.sql.zones import canonical

_EXACT = Context(prec=120, rounding=ROUND_HALF_UP)

# --- doubles as texts -------------------------------------------------------------------------------------------------

# DuckDB's text of a double that is not zero, as 1.0E10: first the mantissa and the exponent that are written, then the
# digits without the point and without zeros at either end.
macro(
    "athena_scientific(t)",
    "list_extract(list_transform([struct_pack(m := split_part(ltrim(t, '-'), 'e', 1), e := split_part(t, 'e', 2))], "
    "lambda w: list_extract(list_transform([struct_pack(d := rtrim(ltrim(replace(w.m, '.', ''), '0'), '0'), "
    "x := CASE WHEN w.e = '' THEN 0 ELSE CAST(w.e AS INTEGER) END + strpos(w.m || '.', '.') - 2 "
    "- (length(replace(w.m, '.', '')) - length(ltrim(replace(w.m, '.', ''), '0'))))], "
    "lambda f: CASE WHEN t LIKE '-%' THEN '-' ELSE '' END || f.d[1] || '.' || "
    "CASE WHEN length(f.d) = 1 THEN '0' ELSE f.d[2:] END || 'E' || CAST(f.x AS VARCHAR)), 1)), 1)",
)
# A year without four digits.
macro(
    "athena_year(y)",
    "CASE WHEN y < 0 THEN '-' WHEN y > 9999 THEN '+' ELSE '' END || "
    "CASE WHEN abs(y) > 9999 THEN CAST(abs(y) AS VARCHAR) ELSE lpad(CAST(abs(y) AS VARCHAR), 4, '0') END",
)

# --- intervals and comparisons ----------------------------------------------------------------------------------------

# Microseconds as milliseconds, half up.
macro("athena_milliseconds(u)", "(((u + 500) - ((((u + 500) % 1000) + 1000) % 1000)) // 1000)")
# What AND gives for a list.
macro(
    "athena_all(l)",
    "CASE WHEN list_contains(l, FALSE) THEN FALSE WHEN list_count(l) < len(l) THEN NULL ELSE TRUE END",
)

# --- zones ------------------------------------------------------------------------------------------------------------


@python("athena_zone", "VARCHAR", "VARCHAR")
@lru_cache(maxsize=1000)
def _zone(name: str) -> str:
    """A zone's canonical name; the session's for none."""
    return canonical(name) if name else "UTC"


macro(
    "athena_zone_minutes(z)",
    "CASE WHEN z[1] = '-' THEN -1 ELSE 1 END * (CAST(z[2:3] AS INTEGER) * 60 + CAST(z[5:6] AS INTEGER))",
)
# What clocks show at an instant.
macro(
    "athena_wall(t, z)",
    "CASE WHEN z = 'UTC' THEN t WHEN z[1] IN ('+', '-') THEN t + to_minutes(athena_zone_minutes(z)) "
    "ELSE timezone(z, timezone('UTC', t)) END",
)
# When clocks show a time in a zone of one offset.
macro("athena_fixed_instant(w, z)", "CASE WHEN z = 'UTC' THEN w ELSE w - to_minutes(athena_zone_minutes(z)) END")
# Microseconds that a zone is ahead of UTC at an instant.
macro("athena_offset(t, z)", "(epoch_us(athena_wall(t, z)) - epoch_us(t))")
macro("athena_minus(w, o)", "make_timestamp(epoch_us(w) - o)")
# Joda's DateTimeZone.convertLocalToUTC: a time that no clock shows is moved forward.
macro(
    "athena_joda(w, z, before, after)",
    "CASE WHEN before <> after AND before < 0 AND athena_offset(athena_minus(w, after), z) <> after "
    "THEN athena_minus(w, before) ELSE athena_minus(w, after) END",
)
macro(
    "athena_instant(w, z)",
    "athena_joda(w, z, athena_offset(w, z), athena_offset(athena_minus(w, athena_offset(w, z)), z))",
)
# Java's ZoneRules.getValidOffsets: the first of two instants, and null for a time that no clock shows.
macro(
    "athena_valid(w, z, a, b)",
    "CASE WHEN athena_offset(athena_minus(w, greatest(a, b)), z) = greatest(a, b) THEN athena_minus(w, greatest(a, b)) "
    "WHEN athena_offset(athena_minus(w, least(a, b)), z) = least(a, b) THEN athena_minus(w, least(a, b)) END",
)
macro(
    "athena_valid_instant(w, z)",
    "athena_valid(w, z, athena_offset(w - INTERVAL 1 DAY, z), athena_offset(w + INTERVAL 1 DAY, z))",
)

# --- decimals that are too long for whole numbers of 128 bits ---------------------------------------------------------


def _divisor(text: str) -> Decimal:
    number = Decimal(text)
    if not number:
        raise StatementFailedError("DIVISION_BY_ZERO", "Division by zero")
    return number


@python("athena_divided", "VARCHAR, VARCHAR, INTEGER, INTEGER", "VARCHAR")
def _divided(dividend: str, divisor: str, precision: int, scale: int) -> str:
    """A quotient, half up."""
    quotient = _EXACT.divide(Decimal(dividend), _divisor(divisor)).quantize(Decimal(1).scaleb(-scale), context=_EXACT)
    if abs(quotient) >= Decimal(1).scaleb(precision - scale):
        raise StatementFailedError("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow")
    return format(quotient, "f")


@python("athena_remainder", "VARCHAR, VARCHAR", "VARCHAR")
def _remainder(dividend: str, divisor: str) -> str:
    """A remainder with the dividend's sign."""
    return format(_EXACT.remainder(Decimal(dividend), _divisor(divisor)), "f")
