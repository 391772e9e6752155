"""Every node of a document is found by the path that leads to it, and by the descent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.local.step_functions.json_path import find

NAMES = st.text(min_size=1, max_size=5)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(NAMES, children, max_size=4),
    max_leaves=20,
)


def _nodes(node: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    yield path, node
    if isinstance(node, dict):
        for name, child in node.items():
            quoted = name.replace("\\", "\\\\").replace("'", "\\'")
            yield from _nodes(child, f"{path}['{quoted}']")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _nodes(child, f"{path}[{index}]")


@given(DOCUMENTS)
def test_a_definite_path_finds_its_node(document: Any) -> None:
    for path, node in _nodes(document):
        assert find(path, document) == node


@given(DOCUMENTS)
def test_the_descent_finds_every_node_but_the_root(document: Any) -> None:
    found = sorted(json.dumps(node) for node in find("$..*", document))
    assert found == sorted(json.dumps(node) for path, node in _nodes(document) if path != "$")
