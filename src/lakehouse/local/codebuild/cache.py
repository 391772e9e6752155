"""LOCAL_CUSTOM_CACHE: folders that a project's builds keep, linked into the source folder of the next one.

Only folders are kept. They are linked with symbolic links; an item of the source with the same name wins. On AWS a
build finds them when it happens to run on the same host, so a build never relies on them; here, a build that runs
beside another one of its project goes without, as on another host.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/caching-local.html
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path, PurePosixPath

from lakehouse.local.codebuild.buildspec import BuildspecError

_locks: dict[Path, threading.Lock] = {}
_all_locks = threading.Lock()


class LocalCache:
    """The kept folders of one project.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _all_locks:
            self._lock = _locks.setdefault(folder, threading.Lock())
        self._is_held = False

    def link(self, source: Path, paths: tuple[str, ...]) -> list[str]:
        """Link the folders into a source folder.

        Args:
            source: The build's source folder.
            paths: ``cache.paths`` of the buildspec: ``folder``, ``folder/*`` or ``folder/**/*``.

        Returns:
            A line for the log about each folder.

        Raises:
            BuildspecError: A path is not a folder below the source folder.
        """
        names = [_folder_name(path) for path in paths]
        if not names:
            return []
        self._is_held = self._lock.acquire(blocking=False)
        if not self._is_held:
            return ["Another build of the project uses the local cache: this one goes without"]
        lines = []
        for name in names:
            kept = self._folder / hashlib.sha256(name.encode()).hexdigest()[:16]
            target = source / name
            if target.exists():
                lines.append(f"{name} is in the source: its cache is not used")
                continue
            lines.append(f"{'Symlinking' if kept.is_dir() else 'Creating'} cached folder {name}")
            kept.mkdir(parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(kept, target_is_directory=True)
        return lines

    def release(self) -> None:
        """Let the next build have them."""
        if self._is_held:
            self._is_held = False
            self._lock.release()


def _folder_name(path: str) -> str:
    parts = [part for part in PurePosixPath(path).parts if part not in ("*", "**")]
    name = "/".join(parts)
    if not name or path.startswith(("/", "~")) or ".." in parts or any("*" in part for part in parts):
        raise BuildspecError(
            f"The local endpoint cannot keep the cache path {path}: it keeps folders below the source folder, "
            "written as folder/**/*"
        )
    return name
