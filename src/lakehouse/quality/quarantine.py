"""The quarantine's lines: a rejected row, its number in the file, and the rules it broke."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_TEXT = pa.large_string()


def quarantine_lines(row_numbers: Any, broken: Mapping[str, Any], rows: Any) -> Any:
    """Put rejected rows together as lines.

    Each is ``{"row_number":17,"broken_rules":["fare_amount_range"],"row":{…}}``: the row's number in the file from 1,
    the rules in the contract's order, and the row as the file has it (its own names and types), with maps as lists of
    entries and texts that are not UTF-8 as base64 of their bytes.

    Args:
        row_numbers: NumPy integers, one a row.
        broken: Rule to a NumPy mask over the rows; every row breaks one at least.
        rows: Large strings: each row as a JSON object.

    Returns:
        Large strings, a line a row.
    """
    names = list(broken)
    # Few sets of rules are broken, by however many rows: a set is a bit a rule.
    bits = np.packbits(np.column_stack([broken[name] for name in names]), axis=1)
    encoded = pa.Array.from_buffers(pa.binary(bits.shape[1]), len(bits), [None, pa.py_buffer(bits)]).dictionary_encode()
    sets = [np.unpackbits(np.frombuffer(held, dtype=np.uint8)) for held in encoded.dictionary.to_pylist()]
    listed = [[name for name, is_broken in zip(names, each, strict=False) if is_broken] for each in sets]
    texts = [json.dumps(rules, ensure_ascii=False, separators=(",", ":")) for rules in listed]
    rules = pa.array(texts, _TEXT).take(encoded.indices)
    pieces = ['{"row_number":', pa.array(row_numbers).cast(_TEXT), ',"broken_rules":', rules, ',"row":', rows, "}\n"]
    return pc.binary_join_element_wise(
        *(pa.scalar(piece, _TEXT) if isinstance(piece, str) else piece for piece in pieces), pa.scalar("", _TEXT)
    )
