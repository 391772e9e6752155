"""An object's two files, its body and its metadata: they change together, also where the process is killed between.

Both are written under other names first. The body's rename is the commit: once it happened, the metadata that waits
beside it is the truth, and ``recover`` gives it its name when the endpoint starts again. Before it, nothing happened.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from lakehouse.local.received_body import ReceivedBody

# The emulator's loader skips names that end with .tmp, and never stores a key under such a name.
_BODY = ".body.tmp"
_METADATA = ".metadata.tmp"
_TOKEN_BYTES = 4

Body = bytes | ReceivedBody | Path


def replace(path: Path, body: Body | None, metadata: bytes) -> None:
    """Write an object, or only its metadata.

    Args:
        path: The object's file; its metadata lies beside it, in ``<name>.meta.json``.
        body: The bytes, or a file of the same file system; None leaves the body as it is.
        metadata: JSON.

    Raises:
        OSError: It could not be written; the object is what it was before.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(_TOKEN_BYTES)}")
    new_body, new_metadata = partial.with_name(partial.name + _BODY), partial.with_name(partial.name + _METADATA)
    try:
        if body is not None:
            keep(body, new_body)
        new_metadata.write_bytes(metadata)
        if body is not None:
            new_body.replace(path)
    except OSError:
        new_body.unlink(missing_ok=True)
        new_metadata.unlink(missing_ok=True)
        raise
    new_metadata.replace(metadata_of(path))


def metadata_of(path: Path) -> Path:
    """Where an object's metadata lies.

    Args:
        path: The object's file.

    Returns:
        The file beside it.
    """
    return path.with_name(f"{path.name}.meta.json")


def keep(body: Body, target: Path) -> None:
    """Give bytes a file of their own.

    Args:
        body: The bytes; a file gets a second name, and must never be written again.
        target: The file; it does not exist.
    """
    if isinstance(body, ReceivedBody):
        body.link(target)
    elif isinstance(body, Path):
        target.hardlink_to(body)
    else:
        target.write_bytes(body)


def recover(folder: Path) -> None:
    """Finish the commits that a kill interrupted, and delete what was written for those that had not begun.

    Args:
        folder: The objects of all buckets.
    """
    for metadata in folder.rglob(f"*{_METADATA}"):
        partial = metadata.name.removesuffix(_METADATA)
        if metadata.with_name(partial + _BODY).exists() or not _is_whole(metadata):
            metadata.unlink()
        else:
            metadata.replace(metadata_of(metadata.with_name(partial[: -2 * _TOKEN_BYTES - 1])))
    for partial_file in folder.rglob("*.tmp"):
        partial_file.unlink()


def _is_whole(metadata: Path) -> bool:
    try:
        json.loads(metadata.read_bytes())
    except ValueError:
        return False
    return True
