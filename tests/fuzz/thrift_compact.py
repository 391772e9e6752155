"""Walks over thrift's compact encoding, in which parquet writes its footer and page headers.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Walk:
    """Where the parts of a struct lie.

    Attributes:
        data: The bytes.
        position: Where the walk is; after the struct's last byte at the end.
        varints: Start and end of every whole number.
        lists: Start of every list's header, whose high four bits are its length.
        fields: Start of every field's header.
        numbers: The outermost struct's whole numbers by field id.
    """

    data: bytes
    position: int = 0
    varints: list[tuple[int, int]] = field(default_factory=list)
    lists: list[int] = field(default_factory=list)
    fields: list[int] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)

    def struct(self, depth: int = 0) -> Walk:
        field_id = 0
        while True:
            start = self.position
            header = self._byte()
            if header == 0:
                return self
            self.fields.append(start)
            field_id = field_id + (header >> 4) if header >> 4 else unzigzag(self._varint())
            value = self._value(header & 15, depth)
            if depth == 0 and value is not None:
                self.numbers[field_id] = value

    def _value(self, kind: int, depth: int, *, is_element: bool = False) -> int | None:
        match kind:
            case 1 | 2:
                self.position += is_element
            case 3:
                self.position += 1
            case 4 | 5 | 6:
                start = self.position
                number = unzigzag(self._varint())
                self.varints.append((start, self.position))
                return number
            case 7:
                self.position += 8
            case 8:
                length = self._varint()
                self.position += length
            case 9 | 10:
                self.lists.append(self.position)
                header = self._byte()
                for _ in range(header >> 4 if header >> 4 < 15 else self._varint()):
                    self._value(header & 15, depth + 1, is_element=True)
            case 12:
                self.struct(depth + 1)
            case _:
                raise ValueError(f"Thrift type {kind} at {self.position} is none that parquet writes")
        return None

    def _byte(self) -> int:
        self.position += 1
        return self.data[self.position - 1]

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7


def unzigzag(number: int) -> int:
    return (number >> 1) ^ -(number & 1)


def zigzag_varint(number: int) -> bytes:
    """A whole number as thrift writes it."""
    number = number << 1 if number >= 0 else (-number << 1) - 1
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])
