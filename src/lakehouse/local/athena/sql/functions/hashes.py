"""Hashes that Python has not: XXH64 and Murmur3.

https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp
"""

from __future__ import annotations

import struct

_MASK = 2**64 - 1
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F


def _turned(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(state: int, lane: int) -> int:
    return _turned((state + lane * _P2) & _MASK, 31) * _P1 & _MASK


def xxhash64(data: bytes) -> int:
    """XXH64 without a seed.

    Args:
        data: The bytes.

    Returns:
        The hash, without a sign.
    """
    at = 0
    if len(data) >= 32:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while at + 32 <= len(data):
            lanes = [_round(one, lane) for one, lane in zip(lanes, struct.unpack_from("<4Q", data, at), strict=True)]
            at += 32
        state = sum(_turned(one, bits) for one, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for one in lanes:
            state = ((state ^ _round(0, one)) * _P1 + _P4) & _MASK
    else:
        state = _P5
    state = (state + len(data)) & _MASK
    while at + 8 <= len(data):
        state = (_turned(state ^ _round(0, struct.unpack_from("<Q", data, at)[0]), 27) * _P1 + _P4) & _MASK
        at += 8
    if at + 4 <= len(data):
        state = (_turned(state ^ struct.unpack_from("<I", data, at)[0] * _P1 & _MASK, 23) * _P2 + _P3) & _MASK
        at += 4
    for byte in data[at:]:
        state = _turned(state ^ byte * _P5 & _MASK, 11) * _P1 & _MASK
    state = (state ^ state >> 33) * _P2 & _MASK
    state = (state ^ state >> 29) * _P3 & _MASK
    return state ^ state >> 32


def _mixed(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33


def murmur3(data: bytes) -> bytes:
    """Murmur3 of 128 bits without a seed.

    Args:
        data: The bytes.

    Returns:
        16 bytes.
    """
    first = second = 0
    whole = len(data) // 16 * 16
    for at in range(0, whole, 16):
        low, high = struct.unpack_from("<2Q", data, at)
        first ^= _turned(low * _C1 & _MASK, 31) * _C2 & _MASK
        first = ((_turned(first, 27) + second) * 5 + 0x52DCE729) & _MASK
        second ^= _turned(high * _C2 & _MASK, 33) * _C1 & _MASK
        second = ((_turned(second, 31) + first) * 5 + 0x38495AB5) & _MASK
    low, high = struct.unpack("<2Q", data[whole:].ljust(16, b"\0"))
    second ^= _turned(high * _C2 & _MASK, 33) * _C1 & _MASK
    first ^= _turned(low * _C1 & _MASK, 31) * _C2 & _MASK
    first, second = first ^ len(data), second ^ len(data)
    first = (first + second) & _MASK
    second = (second + first) & _MASK
    first, second = _mixed(first), _mixed(second)
    first = (first + second) & _MASK
    second = (second + first) & _MASK
    return struct.pack("<2Q", first, second)
