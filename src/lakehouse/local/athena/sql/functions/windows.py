"""Window functions.

https://trino.io/docs/current/functions/window.html
"""

from __future__ import annotations

from lakehouse.local.athena.sql.casts import failing
from lakehouse.local.athena.sql.functions.library import scalar
from lakehouse.local.athena.sql.sql_types import BIGINT


def _window(signature: str, text: str) -> None:
    scalar(signature, text, kind="window")


def _at_least(least: int, argument: str, message: str) -> str:
    failure = failing("INVALID_FUNCTION_ARGUMENT", f"'{message}'", BIGINT)
    return f"CASE WHEN {argument} < {least} THEN {failure} ELSE {argument} END"


for _name in ("row_number", "rank", "dense_rank"):
    _window(f"{_name}() -> bigint", f"{_name}(){{tail}}")
for _name in ("percent_rank", "cume_dist"):
    _window(f"{_name}() -> double", f"{_name}(){{tail}}")
_window("ntile(bigint) -> bigint", f"ntile({_at_least(1, '{0}', 'Buckets must be greater than 0')}){{tail}}")
_OFFSET = _at_least(0, "{1}", "Offset must be at least 0")
for _name in ("lag", "lead"):
    _window(f"{_name}(T) -> T", f"{_name}({{0}}{{nulls}}){{tail}}")
    _window(f"{_name}(T, bigint) -> T", f"{_name}({{0}}, {_OFFSET}{{nulls}}){{tail}}")
    _window(f"{_name}(T, bigint, T) -> T", f"{_name}({{0}}, {_OFFSET}, {{2}}{{nulls}}){{tail}}")
_window("first_value(T) -> T", "first_value({0}{nulls}){tail}")
_window("last_value(T) -> T", "last_value({0}{nulls}){tail}")
_PLACE = _at_least(1, "{1}", "Offset must be at least 1")
_window("nth_value(T, bigint) -> T", f"nth_value({{0}}, {_PLACE}{{nulls}}){{tail}}")
