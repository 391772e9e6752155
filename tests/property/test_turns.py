"""Threads that take turns: everything is written once, in order, and an error ends it all."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.convert.turns import Turns

threads = st.integers(1, 5)
# How long the work on each item takes, in milliseconds.
durations = st.lists(st.integers(0, 3), max_size=30)


def watched(counted, most):
    """A context in which at most so many threads may be at a time."""
    lock = threading.Lock()

    class Watched:
        def __enter__(self):
            with lock:
                counted[0] += 1
                assert counted[0] <= most

        def __exit__(self, *_):
            with lock:
                counted[0] -= 1

    return Watched()


@given(durations, threads)
def test_every_result_is_written_once_in_the_order_of_the_items(durations, threads):
    taking, working, writing = watched([0], 1), watched([0], threads), watched([0], 1)
    written = []

    def items():
        for item in enumerate(durations):
            with taking:
                yield item

    def work(item):
        with working:
            time.sleep(item[1] / 1000)
        return item

    def write(result):
        with writing:
            written.append(result)

    Turns(items(), work, write).run(threads)
    assert written == list(enumerate(durations))


@given(durations.filter(bool), threads, st.sampled_from(["item", "work", "write"]), st.data())
def test_what_one_of_them_raises_is_raised_and_nothing_is_written_after_it(durations, threads, stage, data):
    bad = data.draw(st.integers(0, len(durations) - 1))
    written = []

    def fail(where, number):
        if (where, number) == (stage, bad):
            raise KeyError(number)

    def items():
        for number, duration in enumerate(durations):
            fail("item", number)
            yield number, duration

    def work(item):
        time.sleep(item[1] / 1000)
        fail("work", item[0])
        return item[0]

    def write(number):
        fail("write", number)
        written.append(number)

    running = threading.active_count()
    with pytest.raises(KeyError, match=str(bad)):
        Turns(items(), work, write).run(threads)
    assert written == list(range(len(written)))
    assert len(written) <= bad
    assert threading.active_count() == running


def test_no_more_items_are_out_than_there_are_threads():
    out, most = [0], [0]
    lock = threading.Lock()

    def items():
        for number in range(50):
            with lock:
                out[0] += 1
                most[0] = max(most[0], out[0])
            yield number

    def write(_number):
        with lock:
            out[0] -= 1

    Turns(items(), lambda number: number, write).run(3)
    assert most[0] <= 3
