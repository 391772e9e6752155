"""The catalog's changes in the journal: a table that was answered is there after a kill, and so is a commit of Iceberg.

An entry holds what became of each thing that a request changed. Of a table's partitions it holds those that changed:
there may be thousands beside them. That something changed is told by its identity: nothing is changed in place.
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ministack.core.responses import AccountRegionScopedDict
from ministack.services import glue

from lakehouse.local.journal import Journal

Json = dict[str, Any]
Key = tuple[str, str, str]
# Name of the store, account, region, key, what became of it.
Image = tuple[str, str, str, str, Any]

_PARTITIONS = "partitions"
_stores: dict[str, AccountRegionScopedDict] = {
    "databases": glue._databases,
    "tables": glue._tables,
    _PARTITIONS: glue._partitions,
    "partition_indexes": glue._partition_indexes,
    "table_column_statistics": glue._table_column_statistics,
    "partition_column_statistics": glue._partition_column_statistics,
}
# None until the journal of earlier processes is read.
_journal: Journal | None = None


def keep(name: str, store: AccountRegionScopedDict) -> None:
    """Journal another store of the catalog as well.

    Args:
        name: The store's name in the journal.
        store: The store.
    """
    _stores[name] = store


def resume(journal: Journal, entries: Iterable[Iterable[Image]]) -> None:
    """Make the catalog what the journal says, and keep the journal from now on.

    Args:
        journal: The journal.
        entries: What it holds.
    """
    global _journal  # noqa: PLW0603 - one endpoint a process, as the emulator's own state is
    for entry in entries:
        for name, account, region, key, value in entry:
            _restore(_stores[name], name, (account, region, key), value)
    _journal = journal


def _restore(store: AccountRegionScopedDict, name: str, key: Key, value: Any) -> None:
    if value is None:
        store._data.pop(key, None)
    elif name == _PARTITIONS:
        changed = {tuple(one) for one in value["gone"]} | {tuple(one["Values"]) for one in value["set"]}
        kept = [one for one in store._data.get(key) or () if tuple(one["Values"]) not in changed]
        store._data[key] = [*kept, *value["set"]]
    else:
        store._data[key] = value


@contextmanager
def journaled() -> Iterator[None]:
    """Within it, a request changes the catalog; what became of what it changed is journaled before it is answered."""
    if _journal is None:
        yield
        return
    with _journal.at_work:
        before = {name: dict(store._data) for name, store in _stores.items()}
        try:
            yield
        finally:
            images = [image for name, store in _stores.items() for image in _changed(name, before[name], store._data)]
            if images:
                _journal.append(images)


def _changed(name: str, before: Mapping[Key, Any], after: Mapping[Key, Any]) -> Iterator[Image]:
    for key in before.keys() - after.keys():
        yield (name, *key, None)
    for key, value in after.items():
        known = before.get(key)
        if known is value:
            continue
        if name == _PARTITIONS and known is not None:
            unchanged = {id(one) for one in known} & {id(one) for one in value}
            new = [one for one in value if id(one) not in unchanged]
            values = {tuple(one["Values"]) for one in value}
            gone = [one["Values"] for one in known if tuple(one["Values"]) not in values]
            yield (name, *key, {"set": new, "gone": gone})
        elif name == _PARTITIONS:
            yield (name, *key, {"set": value, "gone": []})
        else:
            yield (name, *key, value)
