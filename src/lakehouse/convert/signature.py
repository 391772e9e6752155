"""Tells a parquet file from what else may lie under a .parquet name, by its first and last bytes."""

from __future__ import annotations

from typing import BinaryIO

from lakehouse.errors import (
    CorruptFileError,
    EmptyFileError,
    EncryptedFileError,
    NotParquetError,
    TruncatedFileError,
)

# https://parquet.apache.org/docs/file-format/: magic, data, footer, 4 bytes of footer length, magic.
_MAGIC = b"PAR1"
_ENCRYPTED_MAGIC = b"PARE"
_LEAST_BYTES = 12

_LOOKS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3", "a SQLite database"),
    (b"\x89HDF", "HDF5"),
    (b"%PDF", "a PDF"),
)


def require_parquet(name: str, file: BinaryIO, size: int) -> None:
    """Refuse what is not a whole parquet file.

    Args:
        name: How messages call the file.
        file: The file, seekable.
        size: Its size in bytes.

    Raises:
        EmptyFileError: It has no bytes.
        NotParquetError: It is something else; the message says what it looks like.
        TruncatedFileError: It begins as parquet and ends too early.
        EncryptedFileError: Its footer is encrypted.
        CorruptFileError: Its footer's length cannot be right.
    """
    if size == 0:
        raise EmptyFileError(f"{name}: the file is empty (0 bytes). Was the upload cut off? Land it again.")
    file.seek(0)
    head = file.read(min(size, 512))
    file.seek(max(0, size - 8))
    tail = file.read(8)
    if head.startswith(_ENCRYPTED_MAGIC):
        raise EncryptedFileError(
            f"{name}: encrypted by parquet modular encryption (it begins with PARE). Land a file without encryption."
        )
    if not head.startswith(_MAGIC):
        raise NotParquetError(
            f"{name}: not a parquet file: it looks like {_look(head, size)}. "
            "Check how it was downloaded or exported, and land the parquet file itself."
        )
    if size < _LEAST_BYTES or not tail.endswith(_MAGIC):
        raise TruncatedFileError(
            f"{name}: begins as parquet but has no footer at its end ({size} bytes): the download or upload was cut "
            "short. Land the whole file."
        )
    footer_bytes = int.from_bytes(tail[:4], "little")
    if footer_bytes > size - _LEAST_BYTES:
        raise CorruptFileError(
            f"{name}: the footer's length is given as {footer_bytes} bytes, more than the file's {size} can hold. "
            "Write the file again at its source."
        )


def _look(head: bytes, size: int) -> str:
    """Describe the first bytes of a file that is no parquet."""
    for magic, look in _LOOKS:
        if head.startswith(magic):
            return look
    if not head.strip(b"\x00"):
        return f"{size} zero bytes"
    try:
        text = head.decode("utf-8", errors="strict" if size <= len(head) else "ignore")
    except UnicodeDecodeError:
        return f"unknown binary data beginning with {head[:8].hex(' ')}"
    if any(character < " " and character not in "\t\r\n\f" for character in text):
        return f"unknown binary data beginning with {head[:8].hex(' ')}"
    return _text_look(text.lstrip("\ufeff"), size)


def _text_look(text: str, size: int) -> str:
    start = text.lstrip()
    lowered = start[:200].lower()
    if not start:
        return f"blank text of {size} byte(s)"
    if lowered.startswith(("<!doctype html", "<html")):
        return "an HTML page"
    if lowered.startswith("<"):
        code = start.partition("<Code>")[2].partition("</Code>")[0]
        return f"an XML document (error {code})" if code else "an XML document"
    if start[0] in "{[":
        return "JSON"
    first = start.splitlines()[0]
    for separator, kind in ((",", "CSV"), ("\t", "tab-separated text"), (";", "CSV with semicolons")):
        if separator in first:
            return f"{kind} beginning with {first[:60]!r}"
    return f"text beginning with {first[:60]!r}"
