"""Zip files whose bytes depend on nothing but their content, and wheels made from what an installer unpacked."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
# Most of the bytes are machine code that hardly shrinks further, and they are packed while somebody waits.
_LEVEL = 1
# What an installer adds, and what differs from machine to machine.
_OF_THE_INSTALLER = frozenset({"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_build.json", "uv_cache.json"})


class Archive:
    """A zip file being written; files are added in the order of their names to be reproducible.

    Args:
        path: The zip file. It is replaced, or continued with ``is_continued``.
        is_continued: Whether to add to the file that is there.
    """

    def __init__(self, path: Path, *, is_continued: bool = False) -> None:
        self._zip = zipfile.ZipFile(path, "a" if is_continued else "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add(self, name: str, file: Path) -> None:
        """Add a file; what is packed already is stored as it is.

        Args:
            name: Its name in the archive.
            file: The file.
        """
        with file.open("rb") as source, self._zip.open(self._entry(name, file), "w") as target:
            shutil.copyfileobj(source, target, 1 << 20)

    def add_text(self, name: str, text: str) -> None:
        """Add a text.

        Args:
            name: Its name in the archive.
            text: The text, stored as UTF-8.
        """
        entry = zipfile.ZipInfo(name, _EPOCH)
        entry.external_attr = 0o644 << 16
        entry.create_system = 3
        self._zip.writestr(entry, text.encode(), zipfile.ZIP_DEFLATED, _LEVEL)

    @staticmethod
    def _entry(name: str, file: Path) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, _EPOCH)
        is_executable = bool(file.stat().st_mode & 0o100)
        # Lambda and Glue run as other users: everybody must be able to read, whatever this machine's umask.
        entry.external_attr = (0o755 if is_executable else 0o644) << 16
        entry.create_system = 3  # Unix, also where this runs on something else
        entry.file_size = file.stat().st_size
        is_packed = name.endswith((".whl", ".zip"))
        entry.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
        entry._compresslevel = _LEVEL  # type: ignore[attr-defined]  # noqa: SLF001 - public only from Python 3.13
        return entry


@dataclass(frozen=True, slots=True)
class InstalledDistribution:
    """A distribution as an installer unpacked it into a folder.

    Attributes:
        folder: The folder.
        info: Name of its ``.dist-info`` folder there.
    """

    folder: Path
    info: str

    @property
    def name(self) -> str:
        """Its name, normalised to lower case and underscores."""
        return self.info.removesuffix(".dist-info").rpartition("-")[0].lower().replace(".", "_").replace("-", "_")

    def files(self) -> Iterator[tuple[str, str]]:
        """Its files in the order of their names, without what the installer added, scripts and compiled caches.

        Yields:
            The name below the folder, and the hash as RECORD has it.
        """
        record = (self.folder / self.info / "RECORD").read_text(encoding="utf-8")
        for name, checksum, _size in sorted(csv.reader(record.splitlines())):
            path = PurePosixPath(name)
            is_script = path.parts[0] in {"bin", "..", "Scripts"}
            is_added = path.parts[0] == self.info and path.name in _OF_THE_INSTALLER
            if not (is_script or is_added or "__pycache__" in path.parts):
                yield name, checksum

    def pack(self, target: Path) -> Path:
        """Make a wheel of it again.

        It holds the files that the index's wheel held (the installer checked their hashes), and its metadata and
        entry points; only script files, which an installer writes anew or nobody needs in a job, are left out.

        Args:
            target: The folder for the wheel.

        Returns:
            The wheel.

        Source:
            https://packaging.python.org/en/latest/specifications/binary-distribution-format/
        """
        wheel = target / f"{self.info.removesuffix('.dist-info')}-{self._tags()}.whl"
        record = io.StringIO()
        lines = csv.writer(record, lineterminator="\n")
        with Archive(wheel) as archive:
            for name, checksum in self.files():
                file = self.folder / name
                archive.add(name, file)
                lines.writerow([name, checksum, file.stat().st_size])
            lines.writerow([f"{self.info}/RECORD", "", ""])
            archive.add_text(f"{self.info}/RECORD", record.getvalue())
        return wheel

    def _tags(self) -> str:
        """The part of a wheel's file name that says where it runs."""
        lines = (self.folder / self.info / "WHEEL").read_text(encoding="utf-8").splitlines()
        tags = [line.removeprefix("Tag: ").split("-") for line in lines if line.startswith("Tag: ")]
        return "-".join(".".join(sorted(set(part))) for part in zip(*tags, strict=True))


def installed_in(folder: Path) -> list[InstalledDistribution]:
    """The distributions in a folder, by name.

    Args:
        folder: What ``uv pip install --target`` filled.

    Returns:
        The distributions.
    """
    return [InstalledDistribution(folder, info.name) for info in sorted(folder.glob("*.dist-info"))]
