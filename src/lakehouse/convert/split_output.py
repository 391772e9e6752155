"""An output of several objects of limited size, and the manifest that lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.convert.chunks import CONTENT_ENCODINGS
from lakehouse.convert.layout import manifest_name, part_name
from lakehouse.convert.multipart import WrittenObject
from lakehouse.convert.output_writer import ChunkOutput

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakehouse.contracts.model import OutputOptions
    from lakehouse.convert.chunks import Chunk
    from lakehouse.convert.output_writer import OutputWriter


def open_output(
    open_writer: Callable[[str, str | None], OutputWriter], name: str, options: OutputOptions
) -> ChunkOutput:
    """Open an output of one object, or of several where their size is limited.

    Args:
        open_writer: Opens an object by its name (a key, or a path) and Content-Encoding.
        name: Name of the output as one object.
        options: The contract's.

    Returns:
        The output, nothing of which is visible yet.
    """
    encoding = CONTENT_ENCODINGS[options.compression]
    if options.max_object_bytes is None:
        return open_writer(name, encoding)
    return SplitOutput(
        lambda number: open_writer(part_name(name, number), encoding),
        open_writer(manifest_name(name), None),
        options.max_object_bytes,
    )


@dataclass(slots=True)
class _Part:
    """One object of the output.

    Attributes:
        writer: Takes its bytes.
        json_bytes: Length of its lines before compression.
        rows: Its lines.
    """

    writer: OutputWriter
    json_bytes: int = 0
    rows: int = 0


class SplitOutput(ChunkOutput):
    """Writes chunks to one object after the other, and lists them in a manifest.

    S3 has no way to show several objects at once. They are uploaded whole and invisible; ``complete`` shows them one
    right after the other, the manifest last: whoever must not see a part of a file goes by the manifest. Its form is
    that of Redshift and UNLOAD, which COPY reads.

    ``expect_unchanged`` holds for each object by itself. So where an older version of a file publishes at the same
    time, the newer one's manifest and every object that it lists are there in the end. Objects that the older one
    showed beyond those stay in the folder, in no manifest; and until the end a reader may see objects of both.
    Source: https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html
    """

    def __init__(self, open_part: Callable[[int], OutputWriter], manifest: OutputWriter, max_object_bytes: int) -> None:
        """Open nothing yet.

        Args:
            open_part: Opens the object of a number, from 1.
            manifest: Takes the manifest.
            max_object_bytes: The most JSON of an object, before compression. A longer row is an object by itself.
        """
        self._open_part = open_part
        self._manifest = manifest
        self._max_object_bytes = max_object_bytes
        self._parts: list[_Part] = []
        self._is_listed = False

    def take(self, chunk: Chunk) -> None:
        """Append lines.

        Args:
            chunk: Whole lines; they stay in one object.
        """
        if not self._parts or self._parts[-1].json_bytes + chunk.json_bytes > self._max_object_bytes:
            self._begin_part()
        part = self._parts[-1]
        part.writer.write(chunk.data)
        part.json_bytes += chunk.json_bytes
        part.rows += chunk.rows

    def expect_unchanged(self) -> None:
        """Look at every object that is to be replaced, see ``Publication``."""
        self._require_part()
        for part in self._parts:
            part.writer.expect_unchanged()
        self._manifest.expect_unchanged()

    def _publish(self) -> WrittenObject:
        """Make the objects visible, then the manifest.

        Returns:
            The manifest's address and checksum, the number of the objects and their bytes together.
        """
        self._require_part()
        written = [part.writer.complete() for part in self._parts]
        if not self._is_listed:
            self._list(written)
        manifest = self._manifest.complete()
        size_bytes = sum(item.size_bytes for item in written)
        return WrittenObject(manifest.uri, size_bytes, manifest.checksum, objects=len(written))

    def _list(self, written: list[WrittenObject]) -> None:
        entries = [
            {
                "url": item.uri,
                "mandatory": True,
                "meta": {"content_length": item.size_bytes, "record_count": part.rows},
            }
            for item, part in zip(written, self._parts, strict=True)
        ]
        self._manifest.write(json.dumps({"entries": entries}, indent=1).encode() + b"\n")
        self._is_listed = True

    def abort(self) -> None:
        """Leave nothing behind. Does nothing after ``complete`` or ``abort``."""
        if self._is_settled:
            return
        self._is_settled = True
        for part in self._parts:
            part.writer.abort()
        self._manifest.abort()

    def _require_part(self) -> None:
        """Without rows there is one empty object, as an output without a limit has."""
        if not self._parts:
            self._begin_part()

    def _begin_part(self) -> None:
        if self._parts:
            self._parts[-1].writer.seal()
        self._parts.append(_Part(self._open_part(len(self._parts) + 1)))
