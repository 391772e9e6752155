"""JSONPath as Step Functions (Jayway) evaluates it."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse.local.step_functions.json_path import InvalidPathError, PathNotFoundError, find, parse

DOCUMENT: dict[str, Any] = {
    "files": [
        {"key": "a", "size": 10, "status": "SUCCEEDED", "tags": ["x"]},
        {"key": "b", "size": 20, "status": "FAILED", "reason": None},
        {"key": "c)d,e", "size": 30, "status": "FAILED"},
    ],
    "limit": 15,
    "with space": {"a.b": 1},
    "nothing": None,
}


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("$", DOCUMENT),
        ("$.limit", 15),
        ("$.nothing", None),
        ("$['with space']['a.b']", 1),
        ('$["limit"]', 15),
        ("$.files[0].key", "a"),
        ("$.files[-1].size", 30),
        ("$.files[*].key", ["a", "b", "c)d,e"]),
        ("$.files[0,2].key", ["a", "c)d,e"]),
        ("$.files[1:].size", [20, 30]),
        ("$.files[:2].size", [10, 20]),
        ("$.files[::2].size", [10, 30]),
        ("$.files[-2:].size", [20, 30]),
        ("$.files[0]['key','size']", ["a", 10]),
        ("$..key", ["a", "b", "c)d,e"]),
        ("$..tags[0]", ["x"]),
        ("$.files[?(@.status == 'FAILED')].size", [20, 30]),
        ("$.files[?(@.size > $.limit)].key", ["b", "c)d,e"]),
        ("$.files[?(@.size > 10 && @.size < 30)].key", ["b"]),
        ("$.files[?(@.size == 10 || (@.key == 'b'))].key", ["a", "b"]),
        ("$.files[?(@.reason)].key", ["b"]),
        ("$.files[?(!@.tags)].key", ["b", "c)d,e"]),
        ("$.files[?(@.reason == null)].key", ["b"]),
        ("$.files[?(@.status in ['SUCCEEDED', 'SKIPPED'])].key", ["a"]),
        ("$.files[?(@.status nin ['SUCCEEDED'])].key", ["b", "c)d,e"]),
        ("$.files[?(@.key =~ /C.*/i)].size", [30]),
        ("$.files[?(@.key == 'c)d,e')].size", [30]),
        ("$.files[?(@.tags.length() == 1)].key", ["a"]),
        ("$.files[?(@.size == 99)]", []),
        ("$.files.length()", 3),
        ("$.files[*].absent", []),
    ],
)
def test_a_path_selects(path: str, selected: Any) -> None:
    assert find(path, DOCUMENT) == selected


@pytest.mark.parametrize(
    "path", ["$.absent", "$.files[3]", "$.files[-4]", "$.limit.deeper", "$.files.key", "$.absent.x"]
)
def test_a_definite_path_that_selects_nothing_is_an_error(path: str) -> None:
    with pytest.raises(PathNotFoundError):
        find(path, DOCUMENT)


@pytest.mark.parametrize(
    "path",
    ["", "files", "$.", "$.files[", "$.files[0", "$['open", "$.a b", "$.files[?(@.a ==)]", "$.files.max()", "$x["],
)
def test_a_malformed_path_is_an_error(path: str) -> None:
    with pytest.raises(InvalidPathError):
        parse(path)


def test_true_is_not_one_in_a_filter() -> None:
    assert find("$[?(@.n == 1)]", [{"n": True}, {"n": 1}]) == [{"n": 1}]
