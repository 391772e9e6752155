"""Partition projection: partitions that a table's properties describe, and nobody registers.

All objects below the fixed part of the location are listed once, and each tells the partition that it lies in: a range
of years costs no request a day.

https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.scans import Condition
from lakehouse.local.athena.sql.sql_types import DATE, SqlType
from lakehouse.local.athena.tables.objects import Objects, joined

# Letters of Java's formats: Python's directive, and the digits.
_LETTERS = {
    "yyyy": ("%Y", r"\d{4}"),
    "MM": ("%m", r"\d{2}"),
    "dd": ("%d", r"\d{2}"),
    "HH": ("%H", r"\d{2}"),
    "mm": ("%M", r"\d{2}"),
    "ss": ("%S", r"\d{2}"),
}
_NOW = re.compile(r"NOW\s*(?:([+-])\s*(\d+)\s*(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND)S?)?")
_SPANS = {
    "WEEK": timedelta(weeks=1),
    "DAY": timedelta(days=1),
    "HOUR": timedelta(hours=1),
    "MINUTE": timedelta(minutes=1),
    "SECOND": timedelta(seconds=1),
}


@dataclass(frozen=True, slots=True)
class _Projected:
    """A projected column.

    Attributes:
        pattern: A regular expression of its values in a location.
        value: A value as the column has it; None where the projection has no such value.
    """

    pattern: str
    value: Callable[[str], str | None]


def is_projected(parameters: Mapping[str, str]) -> bool:
    """Whether a table's partitions are projected.

    Args:
        parameters: The table's properties.

    Returns:
        True where they are: those in the Data Catalog do not count then.
    """
    return parameters.get("projection.enabled", "").lower() == "true"


def projected_partitions(
    parameters: Mapping[str, str],
    location: str,
    keys: Sequence[tuple[str, SqlType]],
    conditions: Sequence[Condition],
    objects: Objects,
) -> Iterator[tuple[tuple[str, ...], str]]:
    """The projected partitions that hold objects.

    Args:
        parameters: The table's properties.
        location: The table's folder.
        keys: Names and types of the partition columns.
        conditions: What must hold for them.
        objects: Lists objects.

    Yields:
        Values and location of each.

    Raises:
        StatementFailedError: The properties describe no projection, or a statement gives an injected column no value.
    """
    template = parameters.get("storage.location.template") or joined(
        location, *(f"{key}=${{{key}}}" for key, _ in keys)
    )
    template = f"{template.rstrip('/')}/"
    columns = {key: _column(parameters, key, kind, conditions) for key, kind in keys}
    missing = [key for key in columns if f"${{{key}}}" not in template]
    if missing:
        raise _invalid(f"storage.location.template lacks ${{{missing[0]}}}")
    pattern = re.compile(_pattern(template, columns))
    fixed = template.partition("${")[0].rpartition("/")[0]
    seen = set()
    for one in objects.list(f"{fixed}/"):
        found = pattern.match(one.uri)
        if found is None or found.group(0) in seen:
            continue
        seen.add(found.group(0))
        values = [columns[key].value(found.group(key)) for key, _ in keys]
        if None not in values:
            yield tuple(value for value in values if value is not None), found.group(0)


def _pattern(template: str, columns: Mapping[str, _Projected]) -> str:
    seen: set[str] = set()
    parts = []
    for part in re.split(r"(\$\{\w+\})", template):
        name = part[2:-1].lower() if part.startswith("${") else ""
        if not name:
            parts.append(re.escape(part))
        elif name in seen:
            parts.append(f"(?P={name})")
        elif name in columns:
            seen.add(name)
            parts.append(f"(?P<{name}>{columns[name].pattern})")
        else:
            raise _invalid(f"storage.location.template names {name}, which is no partition column")
    return "".join(parts)


def _column(parameters: Mapping[str, str], name: str, kind: SqlType, conditions: Sequence[Condition]) -> _Projected:
    def setting(key: str) -> str:
        value = parameters.get(f"projection.{name}.{key}")
        if not value:
            raise _invalid(f"projection.{name}.{key} is missing")
        return value

    match setting("type").lower():
        case "enum":
            values = [one.strip() for one in setting("values").split(",")]
            return _Projected("|".join(map(re.escape, values)), lambda text: text)
        case "integer":
            return _integer(setting("range"), parameters.get(f"projection.{name}.digits"))
        case "date":
            return _date(setting("range"), setting("format"), is_date=kind == DATE)
        case "injected":
            given = [one.values for one in conditions if one.column == name and one.operator in {"=", "in"}]
            if not given:
                raise StatementFailedError(
                    "CONSTRAINT_VIOLATION",
                    f"For the injected projected partition column {name}, the WHERE clause must contain only static "
                    "equality conditions, and at least one such condition must be present.",
                )
            return _Projected(
                "|".join(re.escape(str(getattr(one, "value", one))) for one in given[0]), lambda text: text
            )
        case other:
            raise _invalid(f"projection.{name}.type is {other!r}: one of enum, integer, date, injected")


def _integer(between: str, digits: str | None) -> _Projected:
    low, high = (int(one) for one in between.split(","))
    pattern = rf"-?\d{{{int(digits)}}}" if digits else r"-?\d+"

    def value(text: str) -> str | None:
        return text if low <= int(text) <= high else None

    return _Projected(pattern, value)


def _date(between: str, form: str, *, is_date: bool) -> _Projected:
    directives, pattern = _java_format(form)
    now = datetime.now(UTC).replace(tzinfo=None)
    low, high = (_moment(one.strip(), directives, now) for one in between.split(","))
    # Both ends count whole: the last is the day that NOW lies in.
    low = datetime.strptime(low.strftime(directives), directives)  # noqa: DTZ007 - without a zone, as the values are

    def value(text: str) -> str | None:
        try:
            moment = datetime.strptime(text, directives)  # noqa: DTZ007
        except ValueError:
            return None
        if not low <= moment <= high:
            return None
        return moment.date().isoformat() if is_date else text

    return _Projected(pattern, value)


def _java_format(form: str) -> tuple[str, str]:
    """A format of Java as Python's, and as a regular expression."""
    directives, pattern = "", ""
    for quoted, letters, other in re.findall(r"'([^']*)'|([A-Za-z]+)|([^A-Za-z']+)", form):
        # Letters that follow each other without a separator, as in yyyyMMdd.
        runs = [run.group(0) for run in re.finditer(r"(.)\1*", letters)]
        unknown = [run for run in runs if run not in _LETTERS]
        if unknown:
            raise not_supported(f"The letters {unknown[0]} in the date format {form}", "Use yyyy, MM, dd, HH, mm, ss.")
        directives += "".join(_LETTERS[run][0] for run in runs) + (quoted + other).replace("%", "%%")
        pattern += "".join(_LETTERS[run][1] for run in runs) + re.escape(quoted + other)
    return directives, pattern


def _moment(text: str, directives: str, now: datetime) -> datetime:
    relative = _NOW.fullmatch(text)
    if relative is None:
        try:
            return datetime.strptime(text, directives)  # noqa: DTZ007 - without a zone, as the values are
        except ValueError as error:
            raise _invalid(f"{text!r} in a range of dates is neither NOW nor of the column's format") from error
    sign, number, unit = relative.groups()
    if sign is None:
        return now
    count = int(number) * (1 if sign == "+" else -1)
    if unit in _SPANS:
        return now + count * _SPANS[unit]
    months = now.year * 12 + now.month - 1 + count * (12 if unit == "YEAR" else 1)
    # The 28th is in every month: a range's end is no finer than that.
    return now.replace(year=months // 12, month=months % 12 + 1, day=min(now.day, 28))


def _invalid(reason: str) -> StatementFailedError:
    return StatementFailedError("INVALID_TABLE_PROPERTY", f"Partition projection: {reason}")
