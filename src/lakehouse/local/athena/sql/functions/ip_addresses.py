"""Addresses of the internet's protocol: sixteen bytes, and how they are written.

https://trino.io/docs/current/language/types.html#ipaddress
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.functions.library import python

_MAPPED = bytes(10) + b"\xff\xff"


@python("athena_ip_of_text", "VARCHAR", "BLOB")
def _of_text(text: str) -> bytes:
    try:
        packed = ip_address(text).packed
    except ValueError as error:
        raise StatementFailedError("INVALID_CAST_ARGUMENT", f"Cannot cast value to IPADDRESS: {text}") from error
    return packed if len(packed) == 16 else _MAPPED + packed


@python("athena_ip_of_bytes", "BLOB", "BLOB")
def _of_bytes(packed: bytes) -> bytes:
    if len(packed) not in (4, 16):
        raise StatementFailedError("INVALID_CAST_ARGUMENT", f"Invalid IP address binary length: {len(packed)}")
    return packed if len(packed) == 16 else _MAPPED + packed


@python("athena_ip_text", "BLOB", "VARCHAR")
def _text(packed: bytes) -> str:
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)
