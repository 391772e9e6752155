"""Which objects make one table: Glue's grouping of folders, partitions and names.

A folder is one table when the files below it agree on format and on most of their columns; its subfolders are then the
table's partitions. Otherwise each subfolder is looked at by itself.

Sources: https://docs.aws.amazon.com/glue/latest/dg/crawler-s3-folder-table-partition.html,
https://docs.aws.amazon.com/glue/latest/dg/crawler-grouping-policy.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lakehouse.local.crawling.schemas import Columns, FileSchema, widest

# AWS: partitions of one table have schemas that are at least 70 % alike.
_LEAST_SIMILARITY = 0.7
_LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class CrawledFile:
    """One object that was classified.

    Attributes:
        key: Its key.
        size: Its bytes.
        schema: What it is.
    """

    key: str
    size: int
    schema: FileSchema

    @property
    def folder(self) -> str:
        """The key's folder, with its final slash; empty at the top."""
        return self.key[: self.key.rfind("/") + 1]


@dataclass
class FoundTable:
    """A table that the crawl found.

    Attributes:
        prefix: The folder of the table, with its final slash.
        files: Its files.
        partition_names: Names of the partition columns, from the outermost.
        partitions: Values of the partition columns, and the files of the partition's folder.
    """

    prefix: str
    files: list[CrawledFile]
    partition_names: tuple[str, ...] = ()
    partitions: dict[tuple[str, ...], list[CrawledFile]] = field(default_factory=dict)

    @property
    def classification(self) -> str:
        """The format of its files."""
        return self.files[0].schema.classification

    @property
    def columns(self) -> Columns:
        """Its columns: those of all files, each as wide as the widest."""
        return merged_columns(each.schema for each in self.files)


def merged_columns(schemas: Iterator[FileSchema] | Sequence[FileSchema]) -> Columns:
    """Unite the columns of several files.

    Args:
        schemas: What the files are.

    Returns:
        Names and Hive types, in the order in which they are met first.
    """
    columns: Columns = {}
    for schema in schemas:
        for name, kind in schema.columns:
            columns[name] = widest(columns.get(name), kind)
    return columns


def group(
    files: Sequence[CrawledFile], prefix: str, *, table_level: int | None = None, combine: bool = False
) -> list[FoundTable]:
    """Find the tables below a target.

    Args:
        files: The classified files below it.
        prefix: The target's prefix, with its final slash; empty for a whole bucket.
        table_level: ``TableLevelConfiguration``: the depth of a table's folder, the bucket being 1.
        combine: ``CombineCompatibleSchemas``: one table for compatible files, whatever their folders.

    Returns:
        The tables, by prefix.
    """
    if not files:
        return []
    if table_level is not None:
        return _at_level(files, table_level - 1)
    if _are_compatible(files) and (combine or _may_be_one_table(files, prefix)):
        return [_table(files, prefix)]
    return _by_subfolder(files, prefix)


def _by_subfolder(files: Sequence[CrawledFile], prefix: str) -> list[FoundTable]:
    here = [file for file in files if file.folder == prefix]
    below: dict[str, list[CrawledFile]] = {}
    for file in files:
        if file.folder != prefix:
            name = file.key[len(prefix) :].partition("/")[0]
            below.setdefault(name, []).append(file)
    tables: list[FoundTable] = []
    for name, members in sorted(below.items()):
        tables += group(members, f"{prefix}{name}/")
    if here and _are_compatible(here):
        tables.append(_table(here, prefix))
    else:
        # Files of different formats or columns in one folder: a table each, as Glue makes them.
        tables += [FoundTable(file.key, [file]) for file in here]
    return tables


def _may_be_one_table(files: Sequence[CrawledFile], prefix: str) -> bool:
    """Whether a target's own folder is the table, rather than its first subfolders.

    Compatible subfolders are partitions only where they look like partitions or the target holds one folder of files;
    plainly named folders (datasets) are tables of their own where their columns differ at all.
    """
    first = {file.key[len(prefix) :].partition("/")[0] for file in files if file.folder != prefix}
    if not first or all(_is_partition_like(name) for name in first):
        return True
    if len(first) == 1:
        return False
    return len({(file.schema.classification, file.schema.columns) for file in files}) == 1


def _is_partition_like(name: str) -> bool:
    return "=" in name or re.fullmatch(r"\d+|\d{4}-\d\d(-\d\d)?", name) is not None


def _at_level(files: Sequence[CrawledFile], depth: int) -> list[FoundTable]:
    folders: dict[str, list[CrawledFile]] = {}
    for file in files:
        parts = file.folder.split("/")[:-1]
        if len(parts) >= depth:
            folders.setdefault("".join(f"{part}/" for part in parts[:depth]), []).append(file)
    return [_table(members, prefix) for prefix, members in sorted(folders.items())]


def _are_compatible(files: Sequence[CrawledFile]) -> bool:
    if len({file.schema.classification for file in files}) > 1:
        return False
    whole = set(merged_columns([file.schema for file in files]))
    return all(len(dict(file.schema.columns)) >= _LEAST_SIMILARITY * len(whole) for file in files)


def _table(files: Sequence[CrawledFile], prefix: str) -> FoundTable:
    folders: dict[str, list[CrawledFile]] = {}
    for file in files:
        folders.setdefault(file.folder[len(prefix) :], []).append(file)
    depths = {folder.count("/") for folder in folders}
    table = FoundTable(prefix, list(files))
    if depths == {0} or len(depths) > 1:
        # Files at different depths are no partitions: one plain table, as Glue makes it.
        return table
    levels = list(zip(*(folder.rstrip("/").split("/") for folder in folders), strict=True))
    table.partition_names = tuple(_partition_name(names, index) for index, names in enumerate(levels))
    for folder, members in folders.items():
        parts = folder.rstrip("/").split("/")
        table.partitions[tuple(_partition_value(part) for part in parts)] = members
    return table


def _partition_name(names: Sequence[str], index: int) -> str:
    found = {name.partition("=")[0] for name in names if "=" in name}
    return found.pop().lower() if len(found) == 1 and all("=" in name for name in names) else f"partition_{index}"


def _partition_value(part: str) -> str:
    return part.partition("=")[2] if "=" in part else part


def table_name(prefix: str, bucket: str, table_prefix: str) -> str:
    """Name a table after its folder, as Glue does.

    Args:
        prefix: The table's folder (or, for a single file, its key).
        bucket: The bucket, which names a table at its top.
        table_prefix: The crawler's ``TablePrefix``.

    Returns:
        Lower case; what is no letter, digit or underscore becomes an underscore.
    """
    last = prefix.rstrip("/").rpartition("/")[2] or bucket
    last = last.partition("=")[2] if "=" in last else last
    return (table_prefix + re.sub(r"[^a-z0-9_]", "_", last.lower()))[:_LONGEST_NAME]


def is_excluded(path: str, exclusions: Sequence[str]) -> bool:
    """Tell whether a target's exclusions name an object.

    Args:
        path: The key below the target.
        exclusions: Glob patterns, where ``**`` crosses folders.

    Returns:
        True where one does.
    """
    return any(re.fullmatch(_glob(pattern), path) for pattern in exclusions)


def _glob(pattern: str) -> str:
    """https://docs.aws.amazon.com/glue/latest/dg/define-crawler-choose-data-sources.html#crawler-data-stores-exclude."""
    tokens: Mapping[str, str] = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(", "}": ")", ",": "|"}
    parts = re.split(r"(\*\*|\*|\?|\{|\}|,|\[[^\]]*\])", pattern)
    return "".join(tokens.get(part, part if part.startswith("[") else re.escape(part)) for part in parts)
