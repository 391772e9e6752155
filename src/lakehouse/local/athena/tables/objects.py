"""The objects that tables are made of: read from the endpoint's disk, written through its S3."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lakehouse.local.athena.failures import StatementFailedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SENT_AT_ONCE_BYTES = 8 * 1024**2
_DELETED_AT_A_TIME = 1000


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a listing.

    Attributes:
        uri: Where it is, ``s3://bucket/key``.
        size: Bytes.
    """

    uri: str
    size: int


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of a URI.

    Args:
        uri: ``s3://bucket/key``; ``s3a`` and ``s3n`` will do.

    Returns:
        Bucket and key.

    Raises:
        StatementFailedError: It is no URI of S3.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in {"s3", "s3a", "s3n"} or not bucket:
        raise StatementFailedError("INVALID_TABLE_PROPERTY", f"The location {uri!r} is none of S3: s3://bucket/folder/")
    return bucket, key


class Objects:
    """Reads and writes objects."""

    def __init__(
        self,
        client: S3Client,
        path_of: Callable[[str, str], Path | None],
        put_options: dict[str, Any],
        folder: Path | None = None,
    ) -> None:
        """Take what gives access.

        Args:
            client: Writes, lists and deletes.
            path_of: The file of a bucket's key on this machine, whether it exists or not.
            put_options: Of every object that is written, as its encryption.
            folder: For files on the way.
        """
        self.client = client
        self._path_of = path_of
        self._put_options = put_options
        self._folder = folder

    def scratch(self) -> Path:
        """A folder for files that are made of objects, which goes with the statement.

        Returns:
            The folder.
        """
        assert self._folder is not None  # noqa: S101 - an engine's statement has one
        found = self._folder / "converted"
        found.mkdir(parents=True, exist_ok=True)
        return found

    def path(self, uri: str) -> Path:
        """The file of an object.

        Args:
            uri: The object.

        Returns:
            The file.

        Raises:
            StatementFailedError: There is no such object.
        """
        path = self._path_of(*split_uri(uri))
        if path is None or not path.is_file():
            raise StatementFailedError(
                "HIVE_CANNOT_OPEN_SPLIT", f"Error opening split {uri}: the object does not exist"
            )
        return path

    def exists(self, uri: str) -> bool:
        """Whether there is an object.

        Args:
            uri: The object.

        Returns:
            True where there is.
        """
        path = self._path_of(*split_uri(uri))
        return path is not None and path.is_file()

    def list(self, location: str, *, with_hidden: bool = False) -> Iterator[StoredObject]:
        """The objects below a folder.

        Args:
            location: The folder.
            with_hidden: Whether those are listed too whose name, or a folder's, begins with a dot or an underscore.

        Yields:
            Objects, in the order of their keys.

        Raises:
            StatementFailedError: The bucket cannot be listed.
        """
        bucket, key = split_uri(location)
        prefix = key if not key or key.endswith("/") else f"{key}/"
        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for page in pages:
                for one in page.get("Contents", []):
                    rest = one["Key"][len(prefix) :]
                    is_hidden = any(part.startswith((".", "_")) for part in rest.split("/"))
                    if rest and not rest.endswith("/") and (with_hidden or not is_hidden):
                        yield StoredObject(f"s3://{bucket}/{one['Key']}", one["Size"])
        except ClientError as error:
            raise StatementFailedError(
                "HIVE_FILESYSTEM_ERROR", f"Failed to list directory {location}: {error}"
            ) from error

    def put(self, uri: str, body: bytes) -> None:
        """Write an object.

        Args:
            uri: Where.
            body: Its bytes.
        """
        bucket, key = split_uri(uri)
        self.client.put_object(Bucket=bucket, Key=key, Body=body, **self._put_options)

    def put_file(self, uri: str, path: Path) -> None:
        """Write an object from a file.

        Args:
            uri: Where.
            path: The file.
        """
        bucket, key = split_uri(uri)
        if path.stat().st_size <= _SENT_AT_ONCE_BYTES:
            # boto3's threads for parts cost more than a small file.
            self.put(uri, path.read_bytes())
            return
        self.client.upload_file(str(path), bucket, key, ExtraArgs=dict(self._put_options))

    def delete(self, uris: Iterable[str]) -> None:
        """Delete objects; those that do not exist are no error.

        Args:
            uris: The objects.
        """
        by_bucket: dict[str, list[str]] = {}
        for uri in uris:
            bucket, key = split_uri(uri)
            by_bucket.setdefault(bucket, []).append(key)
        for bucket, keys in by_bucket.items():
            for start in range(0, len(keys), _DELETED_AT_A_TIME):
                listed = [{"Key": key} for key in keys[start : start + _DELETED_AT_A_TIME]]
                self.client.delete_objects(Bucket=bucket, Delete={"Objects": listed, "Quiet": True})  # type: ignore[typeddict-item]


def joined(location: str, *parts: str) -> str:
    """A place below a folder.

    Args:
        location: The folder, with or without a slash at its end.
        parts: Names.

    Returns:
        The URI.
    """
    return "/".join((location.rstrip("/"), *parts))


def size_of(path: Path) -> int:
    """A file's length.

    Args:
        path: The file.

    Returns:
        Bytes.
    """
    return path.stat().st_size
