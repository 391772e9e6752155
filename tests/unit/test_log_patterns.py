"""Filter patterns of CloudWatch Logs match what AWS's documentation says they match."""

from __future__ import annotations

import json

import pytest

from lakehouse.local.log_patterns import PatternError, compile_pattern

LINE = json.dumps(
    {
        "level": "ERROR",
        "file_id": "abc-1",
        "rows": 12,
        "share": 0.5,
        "is_last": True,
        "reason": None,
        "error": {"type": "CorruptFileError", "causes": ["page 3", "page 4"]},
        "odd name": "x",
    }
)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "CorruptFileError",
        '"page 3" ERROR',
        "?nothing ?ERROR",
        "ERROR ?nothing",
        "ERROR -WARN",
        "%abc-[0-9]%",
        '{ $.level = "ERROR" }',
        "{ $.level = ERROR }",
        '{ $.file_id = "abc-*" && $.rows > 11 }',
        "{ $.rows >= 12 && $.rows <= 12 && $.share < 0.6 }",
        '{ ($.level = "INFO") || ($.error.type = "Corrupt*") }',
        '{ $.error.causes[1] = "page 4" }',
        '{ $.level != "INFO" }',
        "{ $.reason IS NULL && $.is_last IS TRUE }",
        "{ $.nothing NOT EXISTS }",
        "{ $.file_id = %^abc% }",
        '{ $.["odd name"] = "x" }'.replace('$.["', '$["'),
    ],
)
def test_a_pattern_matches(pattern: str) -> None:
    assert compile_pattern(pattern)(LINE)


@pytest.mark.parametrize(
    "pattern",
    [
        "corruptfileerror",
        '"page 5"',
        "?nothing ?neither",
        "ERROR -Corrupt",
        '{ $.level = "INFO" }',
        "{ $.rows > 12 }",
        '{ $.rows = "twelve" }',
        "{ $.level > 1 }",
        '{ $.nothing = "*" }',
        '{ $.nothing != "x" }',
        "{ $.file_id IS NULL }",
        "{ $.level NOT EXISTS }",
        '{ $.level = "ERROR" && $.rows = 13 }',
        '{ $.error.causes[2] = "*" }',
        "{ $.file_id != %^abc% }",
    ],
)
def test_a_pattern_does_not_match(pattern: str) -> None:
    assert not compile_pattern(pattern)(LINE)


def test_fields_are_looked_for_in_json_lines_only() -> None:
    assert not compile_pattern('{ $.level = "ERROR" }')("level ERROR")
    assert not compile_pattern('{ $.level = "ERROR" }')('["ERROR"]')


@pytest.mark.parametrize(
    "pattern",
    [
        "[ip, user]",
        "{ $.level",
        "{ $.level = }",
        "{ level = 1 }",
        "{ $.a IS MAYBE }",
        "{ $.a NOT NULL }",
        "{ ($.a = 1 }",
        '{ $.a < "b" }',
        "{ $.a = 1 $.b = 2 }",
        "{ $.a ~ 1 }",
    ],
)
def test_what_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)
