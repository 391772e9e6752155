"""Wheels inside the function's package, unpacked when a process first needs them.

Lambda takes 250 MiB of unpacked files. PyArrow and Polars together are more, so Polars stays packed in ``wheels/``
beside the code, and only the function that converts unpacks it, to the scratch disk, once a process start.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from lakehouse.errors import PermanentError

_PACKAGE = Path(__file__).resolve().parents[2]
FOLDER = "wheels"


def make_importable(package: Path = _PACKAGE, scratch: Path | None = None) -> Path | None:
    """Put the bundled wheels on the import path; a second call does nothing more.

    Args:
        package: The root of the function's package.
        scratch: Where to unpack; the system's temporary folder by default.

    Returns:
        The folder they were unpacked to; None where the package has none (a checkout: they are installed there).

    Raises:
        PermanentError: The scratch disk cannot hold them, or somebody else owns the folder.
    """
    wheels = sorted((package / FOLDER).glob("*.whl"))
    if not wheels:
        return None
    unpacked = _owned_folder(scratch or Path(tempfile.gettempdir())) / _digest(wheels)
    if not unpacked.is_dir():
        _unpack(wheels, unpacked)
    if str(unpacked) not in sys.path:
        sys.path.append(str(unpacked))
    return unpacked


def _digest(wheels: list[Path]) -> str:
    """Name the folder after what is in it: names hold versions, sizes tell a rebuilt wheel."""
    names = "\n".join(f"{wheel.name} {wheel.stat().st_size}" for wheel in wheels)
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def _owned_folder(scratch: Path) -> Path:
    """A folder that nobody else can put code into: on a shared machine the temporary folder is everybody's."""
    folder = scratch / f"lakehouse-wheels-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022 or folder.is_symlink():
        raise PermanentError(f"{folder} belongs to somebody else or is open to others. Remove it, or set TMPDIR.")
    return folder


def _unpack(wheels: list[Path], target: Path) -> None:
    """Unpack beside the target and rename: a process that dies, or two at once, leave no half-filled folder."""
    partial = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(partial)
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        if target.is_dir():
            return  # another process was first
        raise PermanentError(
            f"Cannot unpack {len(wheels)} wheel(s) to {target}: {error}. Give the function more scratch space "
            "(ephemeral_storage), or free some."
        ) from error
