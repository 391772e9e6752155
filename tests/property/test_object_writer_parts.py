from __future__ import annotations

import itertools
import zlib

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.convert import crc32
from lakehouse.convert.multipart import MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES, part_bytes

# S3 takes 48.8 TiB, which is every part at its largest; a stream whose length nobody knows begins with small ones.
LARGEST_STREAM_BYTES = 8 * 1024**2 * 1_000 * (2**10 - 1)


@given(st.integers(min_value=1, max_value=MAX_PARTS))
def test_every_part_is_of_a_size_that_s3_takes_and_no_smaller_than_the_one_before(number):
    assert MIN_PART_BYTES <= part_bytes(number) <= MAX_PART_BYTES
    assert number == 1 or part_bytes(number) >= part_bytes(number - 1)


def test_ten_thousand_parts_hold_close_to_eight_tebibytes():
    assert sum(map(part_bytes, range(1, MAX_PARTS + 1))) == LARGEST_STREAM_BYTES > 7.8 * 1024**4


@given(st.integers(min_value=1, max_value=LARGEST_STREAM_BYTES))
def test_a_stream_of_any_length_fits_and_its_parts_stay_small_against_what_is_already_sent(size):
    filled = list(itertools.takewhile(lambda end: end < size, itertools.accumulate(map(part_bytes, range(1, 10_001)))))
    number = len(filled) + 1
    assert number <= MAX_PARTS
    sent = filled[-1] if filled else 0
    assert part_bytes(number) <= 8 * 1024**2 or part_bytes(number) <= sent / 500


@given(st.binary(), st.binary())
def test_combining_the_crcs_of_two_strings_is_the_crc_of_both(first, second):
    assert crc32.combine(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


@given(st.lists(st.binary(max_size=200), max_size=30))
def test_combining_the_crcs_of_any_cutting_is_the_crc_of_the_whole(pieces):
    combined = 0
    for piece in pieces:
        combined = crc32.combine(combined, zlib.crc32(piece), len(piece))
    assert combined == zlib.crc32(b"".join(pieces))


@given(st.integers(min_value=0, max_value=10_000_000))
def test_long_parts_combine_as_well(length):
    zeros = bytes(length)
    assert crc32.combine(zlib.crc32(b"head"), zlib.crc32(zeros), length) == zlib.crc32(b"head" + zeros)


def test_the_text_form_is_the_one_s3_documents():
    assert crc32.base64_text(zlib.crc32(b"123456789")) == "y/Q5Jg=="
