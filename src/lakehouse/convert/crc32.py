"""CRC32 of an object, put together from the CRC32 of its parts.

S3 checks a multipart object's full-object checksum against the one that the client sends on completion. The client
never holds the whole object, so it combines what it computed part by part: the CRC of ``a + b`` follows from the CRC of
``a``, the CRC of ``b`` and the length of ``b`` alone. The arithmetic is zlib's ``crc32_combine``, which Python's
``zlib`` does not expose: appending ``n`` bytes multiplies the CRC, seen as a polynomial over GF(2), by ``x^(8n)``.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html (full-object checksums);
https://github.com/madler/zlib/blob/develop/crc32.c (``multmodp``, ``x2nmodp``).
"""

from __future__ import annotations

import base64
from functools import lru_cache

_POLYNOMIAL = 0xEDB88320  # CRC-32 (IEEE 802.3), bits reversed: bit 31 is the coefficient of x^0
_ONE = 1 << 31


def combine(first: int, second: int, second_bytes: int) -> int:
    """CRC32 of two byte strings, one after the other.

    Args:
        first: CRC32 of the first.
        second: CRC32 of the second.
        second_bytes: Length of the second in bytes.

    Returns:
        The CRC32 of both together.
    """
    return _multiply(_zeros(second_bytes), first) ^ second


def base64_text(crc: int) -> str:
    """The form in which S3 sends and shows a CRC32: base64 of its four bytes, most significant first.

    Args:
        crc: The CRC32.

    Returns:
        Eight characters, for example ``y/Q5Jg==``.
    """
    return base64.b64encode(crc.to_bytes(4, "big")).decode("ascii")


def _multiply(left: int, right: int) -> int:
    """The product of two polynomials modulo the CRC's."""
    product = 0
    bit = _ONE
    while bit:
        if left & bit:
            product ^= right
        right = right >> 1 ^ _POLYNOMIAL if right & 1 else right >> 1
        bit >>= 1
    return product


@lru_cache(maxsize=1024)
def _zeros(byte_count: int) -> int:
    """``x^(8 * byte_count)``: what appending so many bytes multiplies by. Cached: most parts are equally long."""
    power = _multiply_square(3)  # x^8
    result = _ONE
    while byte_count:
        if byte_count & 1:
            result = _multiply(power, result)
        power = _multiply(power, power)
        byte_count >>= 1
    return result


def _multiply_square(times: int) -> int:
    """``x^(2^times)``, by squaring ``x``."""
    value = _ONE >> 1  # x
    for _ in range(times):
        value = _multiply(value, value)
    return value
