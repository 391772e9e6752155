"""S3 object bodies: on disk only, written whole or not at all, never answered empty when they cannot be read."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from ministack.core.responses import get_account_id
from ministack.services import s3

from lakehouse.local.object_files import replace
from lakehouse.local.registry import fixes

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

_S3 = "ministack.services.s3"
# While an object is being read for a GET, bodies come as files instead of bytes.
_as_files: ContextVar[bool] = ContextVar("as_files", default=False)


class FileBody:
    """An object's body, or a range of it, that stays on disk.

    The file is open from the start, so that the bytes are those of this version even if the key is overwritten
    meanwhile.
    """

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        """Take a range of an open file.

        Args:
            file: The body's file.
            start: Offset of the first byte.
            stop: Offset after the last byte.
        """
        self._file = file
        self._start = start
        self._stop = stop

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The whole body in a file.

        Args:
            path: The file.

        Returns:
            The body.
        """
        file = Path(path).open("rb")  # noqa: SIM115 - it lives as long as the answer that carries it
        return cls(file, 0, os.fstat(file.fileno()).st_size)

    @property
    def name(self) -> str:
        """The file's path."""
        return self._file.name

    def __len__(self) -> int:
        """Number of bytes."""
        return self._stop - self._start

    def __getitem__(self, part: slice) -> FileBody:
        """A range of the body, without reading it."""
        start, stop, _ = part.indices(len(self))
        return FileBody(self._file, self._start + start, self._start + max(start, stop))

    def read(self, size: int, offset: int = 0) -> bytes:
        """Read some bytes.

        Args:
            size: How many at most.
            offset: Where from, counted from the body's start.

        Returns:
            The bytes; fewer than asked at the end.
        """
        return os.pread(self._file.fileno(), min(size, len(self) - offset), self._start + offset)

    def close(self) -> None:
        """Let go of the file, for every range of it."""
        self._file.close()


@contextmanager
def bodies_as_files() -> Iterator[None]:
    """Within it, the emulator's readers of bodies return ``FileBody`` instead of bytes."""
    token = _as_files.set(True)
    try:
        yield
    finally:
        _as_files.reset(token)


def _load(path: str | Path) -> FileBody | bytes:
    return FileBody.open(path) if _as_files.get() else Path(path).read_bytes()


@fixes(
    "s3",
    "GetObject",
    replaces=f"{_S3}:_read_body",
    signature="(bucket_name, key, obj)",
    symptom="every ranged read loads the whole object, and a body that cannot be read is answered as an empty object",
)
def read_body(_original: Callable[..., Any]) -> Callable[..., Any]:
    """A body from its file; one that cannot be read is an error."""

    def replacement(bucket_name: str, key: str, obj: Json) -> FileBody | bytes:
        body = obj.get("body")
        if body is not None and not isinstance(body, Path):
            return bytes(body)
        return _load(body or s3._object_disk_path(bucket_name, key))

    return replacement


@fixes(
    "s3",
    "GetObject",
    replaces=f"{_S3}:_version_body",
    signature="(bucket, bucket_name, key, v)",
    symptom="reading a noncurrent version loads the whole of it",
)
def version_body(original: Callable[..., Any]) -> Callable[..., Any]:
    """A version's body from its file."""

    def replacement(bucket: Json, bucket_name: str, key: str, v: Json) -> Any:
        if v.get("data") is None and s3._version_file_exists(bucket_name, key, v["version_id"]):
            return _load(s3._version_disk_path(bucket_name, key, v["version_id"]))
        return original(bucket, bucket_name, key, v)

    return replacement


@fixes(
    "s3",
    "PutObject",
    replaces=f"{_S3}:_persist_object",
    signature="(bucket, key, obj)",
    symptom="bodies of versioned objects stay in memory, and a full disk is answered with 200",
)
def persist_object(_original: Callable[..., Any]) -> Callable[..., Any]:
    """Body and metadata appear together; a failure is the caller's error."""

    def replacement(bucket: str, key: str, obj: Json) -> None:
        path = Path(s3._object_disk_path(bucket, key))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        meta = {**s3._object_meta_from_record(obj), **s3._key_history_meta(bucket, key), "key": key}
        if "upload_id" in obj:
            meta["upload_id"] = obj["upload_id"]
        replace(path, obj.get("body"), json.dumps(meta).encode())
        obj["body"] = None
        for version in s3._object_versions.get((bucket, key)) or ():
            _forget_body(bucket, key, version, obj)
        s3._remove_key_files(s3._other_key_disk_path(str(Path(s3.DATA_DIR, get_account_id(), bucket)), key, str(path)))

    return replacement


def _forget_body(bucket: str, key: str, version: Json, current: Json) -> None:
    """Drop a version's body from memory where a file holds it."""
    is_current = version["version_id"] == (current.get("version_id") or "null")
    if version.get("data") is not None and (is_current or s3._version_file_exists(bucket, key, version["version_id"])):
        version["data"] = None


@fixes(
    "s3",
    "PutObject",
    replaces=f"{_S3}:_persist_displaced_version",
    signature="(bucket_name, key, prior_obj, versioning)",
    symptom="overwriting a big versioned object reads all of the old one into memory, and loses it if that fails",
)
def persist_displaced_version(_original: Callable[..., Any]) -> Callable[..., Any]:
    """The displaced version keeps its file under a second name; nothing is copied."""

    def replacement(bucket_name: str, key: str, prior_obj: Json | None, versioning: str) -> None:
        if versioning == "Suspended":
            s3._delete_version_file(bucket_name, key, "null")
        if prior_obj is None:
            return
        version_id = prior_obj.get("version_id") or "null"
        if versioning == "Suspended" and version_id == "null":
            return
        target = Path(s3._version_disk_path(bucket_name, key, version_id))
        if target.exists():
            return
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The current file is only ever replaced by a rename, never written in place: the link keeps the old bytes.
        os.link(s3._object_disk_path(bucket_name, key), target)

    return replacement


@fixes(
    "s3",
    "PutObject",
    replaces=f"{_S3}:_preserve_null_version",
    signature="(bucket_name, key, versions, prior_obj)",
    symptom="the first version written over an object from before versioning keeps the old body in memory",
)
def preserve_null_version(original: Callable[..., Any]) -> Callable[..., Any]:
    """The version from before versioning stays addressable, from its file."""

    def replacement(bucket_name: str, key: str, versions: list[Json], prior_obj: Json | None) -> None:
        original(bucket_name, key, versions, None if prior_obj is None else {**prior_obj, "body": b""})
        for version in versions:
            if version["version_id"] == "null":
                version["data"] = None

    return replacement
