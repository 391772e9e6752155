"""Functions of bytes.

https://trino.io/docs/current/functions/binary.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
import zlib
from collections.abc import Callable

from lakehouse.local.athena.sql.functions import hashes
from lakehouse.local.athena.sql.functions.library import python, scalar
from lakehouse.local.athena.sql.functions.support import refuse

Decode = Callable[[str], bytes]
Encode = Callable[[bytes], str]


def _decoding(name: str, decode: Decode) -> None:
    """Declare a function from a text to bytes that may be refused."""

    def decoded(text: str) -> bytes:
        try:
            return decode(text)
        except (ValueError, binascii.Error) as error:
            refuse(f"Invalid input for {name}: {error}")

    python(f"athena_{name}", "VARCHAR", "BLOB")(decoded)
    scalar(f"{name}(varchar) -> varbinary", f"athena_{name}({{0}})")
    scalar(f"{name}(varbinary) -> varbinary", f"athena_{name}(decode({{0}}))")


def _encoding(name: str, encode: Encode) -> None:
    python(f"athena_{name}", "BLOB", "VARCHAR")(encode)
    scalar(f"{name}(varbinary) -> varchar", f"athena_{name}({{0}})")


def _padded(text: str) -> str:
    """Java's decoders do not ask for the signs at the end."""
    return text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)


def _from_hex(text: str) -> bytes:
    if any(one not in "0123456789abcdefABCDEF" for one in text):
        message = f"invalid character in {text}"
        raise ValueError(message)
    return bytes.fromhex(text)


scalar("to_hex(varbinary) -> varchar", "hex({0})")
scalar("to_base64(varbinary) -> varchar", "to_base64({0})")
_decoding("from_hex", _from_hex)
_decoding("from_base64", lambda text: base64.b64decode(_padded(text), validate=True))
_decoding("from_base64url", lambda text: base64.b64decode(_padded(text), altchars=b"-_", validate=True))
_decoding("from_base32", lambda text: base64.b32decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 8)))
_encoding("to_base64url", lambda data: base64.urlsafe_b64encode(data).decode())
_encoding("to_base32", lambda data: base64.b32encode(data).decode())

scalar("md5(varbinary) -> varbinary", "unhex(md5({0}))")
scalar("sha1(varbinary) -> varbinary", "unhex(sha1({0}))")
scalar("sha256(varbinary) -> varbinary", "unhex(sha256({0}))")


def _bytes_function(name: str, function: Callable[[bytes], bytes]) -> None:
    python(f"athena_{name}", "BLOB", "BLOB")(function)
    scalar(f"{name}(varbinary) -> varbinary", f"athena_{name}({{0}})")


_bytes_function("sha512", lambda data: hashlib.sha512(data).digest())
_bytes_function("xxhash64", lambda data: struct.pack(">Q", hashes.xxhash64(data)))
_bytes_function("murmur3", hashes.murmur3)
_bytes_function("reverse_bytes", lambda data: data[::-1])
scalar("reverse(varbinary) -> varbinary", "athena_reverse_bytes({0})")
python("athena_crc32", "BLOB", "BIGINT")(lambda data: zlib.crc32(data))  # noqa: PLW0108 - it takes two
scalar("crc32(varbinary) -> bigint", "athena_crc32({0})")


def _keyed(name: str) -> Callable[[bytes, bytes], bytes]:
    def digest(data: bytes, key: bytes) -> bytes:
        return hmac.digest(key, data, name)

    return digest


for _name in ("md5", "sha1", "sha256", "sha512"):
    python(f"athena_hmac_{_name}", "BLOB, BLOB", "BLOB")(_keyed(_name))
    scalar(f"hmac_{_name}(varbinary, varbinary) -> varbinary", f"athena_hmac_{_name}({{0}}, {{1}})")


def _fixed(name: str, form: str, kind: str, held: str) -> None:
    """Numbers of so many bytes: there, and back."""

    def packed(value: float) -> bytes:
        return struct.pack(form, value)

    def unpacked(data: bytes) -> object:
        size = struct.calcsize(form)
        if len(data) != size:
            refuse(f"expected {size}-byte input, but got instead: {len(data)}")
        return struct.unpack(form, data)[0]

    python(f"athena_to_{name}", held, "BLOB")(packed)
    python(f"athena_from_{name}", "BLOB", held)(unpacked)
    scalar(f"to_{name}({kind}) -> varbinary", f"athena_to_{name}({{0}})")
    scalar(f"from_{name}(varbinary) -> {kind}", f"athena_from_{name}({{0}})")


_fixed("big_endian_32", ">i", "integer", "INTEGER")
_fixed("big_endian_64", ">q", "bigint", "BIGINT")
_fixed("ieee754_32", ">f", "real", "FLOAT")
_fixed("ieee754_64", ">d", "double", "DOUBLE")


@python("athena_bytes_pad", "BLOB, BIGINT, BLOB, BOOLEAN", "BLOB")
def padded(data: bytes, size: int, padding: bytes, is_left: bool) -> bytes:
    """Bytes, brought to a length.

    Args:
        data: The bytes.
        size: The length.
        padding: What is put there, again and again.
        is_left: Whether it is put before them.

    Returns:
        The bytes.
    """
    if not 0 <= size <= 2**31 - 1:
        refuse("Target length must be in the range [0..2147483647]")
    if not padding:
        refuse("Padding bytes must not be empty")
    more = size - len(data)
    if more <= 0:
        return data[:size]
    filling = (padding * (more // len(padding) + 1))[:more]
    return filling + data if is_left else data + filling


@python("athena_bytes_substr", "BLOB, BIGINT, BIGINT", "BLOB")
def part(data: bytes, start: int, length: int) -> bytes:
    """Some of the bytes.

    Args:
        data: The bytes.
        start: From which, from 1, or from the end where it is negative.
        length: How many.

    Returns:
        The bytes.
    """
    if not start or length <= 0 or abs(start) > len(data):
        return b""
    begin = start - 1 if start > 0 else len(data) + start
    return data[begin : begin + length]


scalar("length(varbinary) -> bigint", "octet_length({0})")
scalar("lpad(varbinary, bigint, varbinary) -> varbinary", "athena_bytes_pad({args}, TRUE)")
scalar("rpad(varbinary, bigint, varbinary) -> varbinary", "athena_bytes_pad({args}, FALSE)")
for _name in ("substr", "substring"):
    scalar(f"{_name}(varbinary, bigint) -> varbinary", "athena_bytes_substr({0}, {1}, 9223372036854775807)")
    scalar(f"{_name}(varbinary, bigint, bigint) -> varbinary", "athena_bytes_substr({args})")


@python("athena_from_utf8", "BLOB, VARCHAR", "VARCHAR")
def from_utf8(data: bytes, replacement: str) -> str:
    """Bytes as text.

    Args:
        data: The bytes.
        replacement: One character for what is no UTF-8, or nothing.

    Returns:
        The text.
    """
    if len(replacement) > 1:
        refuse("Replacement string must empty or a single character")
    return _text(data, replacement)


def _text(data: bytes, replacement: str) -> str:
    # A handler of our own: a replacement character that is in the bytes stays.
    found, rest = "", data
    while True:
        try:
            return found + rest.decode("utf-8")
        except UnicodeDecodeError as error:
            found += rest[: error.start].decode("utf-8") + replacement
            rest = rest[error.end :]


def _replacing(data: bytes, point: int) -> str:
    if not 0 <= point <= 0x10FFFF or 0xD800 <= point <= 0xDFFF:
        refuse("Invalid replacement character")
    return _text(data, chr(point))


python("athena_from_utf8_point", "BLOB, BIGINT", "VARCHAR")(_replacing)
scalar("to_utf8(varchar) -> varbinary", "encode({0})")
# What DuckDB takes is right; the rest is rare.
scalar("from_utf8(varbinary) -> varchar", "coalesce(TRY(decode({0})), athena_from_utf8({0}, '\ufffd'))")
scalar("from_utf8(varbinary, varchar) -> varchar", "athena_from_utf8({0}, {1})")
scalar("from_utf8(varbinary, bigint) -> varchar", "athena_from_utf8_point({0}, {1})")
