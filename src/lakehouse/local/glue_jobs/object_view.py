"""The object view: the buckets as folders that Spark reads and writes, published through the S3 API afterwards.

Small objects are copied and large ones hard-linked. Spark's committers replace files rather than write into them, but a
marker or a version hint is overwritten in place, and through a link that would change the stored object.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakehouse.errors import LocalError

_LARGEST_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """What a file was when the view was made, to tell whether a job changed it."""

    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Seen:
        """Take the marks of a file.

        Args:
            status: Its status.

        Returns:
            The marks.
        """
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass
class Changes:
    """What a job did to the view.

    Attributes:
        written: Bucket, key and file of every new or changed object.
        removed: Bucket and key of every object that is gone.
    """

    written: list[tuple[str, str, Path]] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)


class ObjectView:
    """Folders that show the objects of all buckets to one job run.

    Args:
        folder: Where it lies; on the file system of the stored objects.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: dict[tuple[str, str], Seen] = {}
        self._linked: set[tuple[str, str]] = set()
        self._buckets: list[str] = []

    def fill(self, bucket: str, objects: Iterable[tuple[str, Path]]) -> None:
        """Show a bucket.

        Args:
            bucket: Its name.
            objects: Key and stored file of each object.
        """
        self._buckets.append(bucket)
        root = self.folder / bucket
        root.mkdir(parents=True)
        made = {root}
        for key, stored in objects:
            target = root / key
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            try:
                if stored.stat().st_size > _LARGEST_COPY_BYTES:
                    target.hardlink_to(stored)
                    self._linked.add((bucket, key))
                else:
                    shutil.copyfile(stored, target)
            except FileNotFoundError:
                # Deleted since it was listed: the job would not have found it either.
                continue
            self._seen[bucket, key] = Seen.of(target.stat())

    def changes(self) -> Changes:
        """Compare the view with what it was.

        Returns:
            What the job wrote and removed.

        Raises:
            LocalError: The job wrote into a large stored object in place.
        """
        changes = Changes()
        remaining = dict(self._seen)
        for bucket in self._buckets:
            for key, path in _files(self.folder / bucket):
                before = remaining.pop((bucket, key), None)
                now = Seen.of(path.stat())
                if before == now:
                    continue
                if before and before.inode == now.inode and (bucket, key) in self._linked:
                    raise LocalError(
                        f"The job wrote into s3://{bucket}/{key} in place, which changed the stored object itself. "
                        "Write to a new key, or upload the object again."
                    )
                changes.written.append((bucket, key, path))
        changes.removed.extend(remaining)
        return changes


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    for folder, subfolders, names in os.walk(root):
        # What a killed write leaves behind.
        subfolders[:] = [name for name in subfolders if name != "_temporary"]
        for name in sorted(names):
            path = Path(folder) / name
            yield path.relative_to(root).as_posix(), path


def publish(changes: Changes, s3: Any) -> None:
    """Put and delete objects as the job did in the view.

    Args:
        changes: What it did.
        s3: A boto3 client with the job's credentials.

    Raises:
        botocore.exceptions.ClientError: The job's role may not.
    """
    for bucket, key, path in changes.written:
        s3.upload_file(str(path), bucket, key)
    for bucket, key in changes.removed:
        s3.delete_object(Bucket=bucket, Key=key)
