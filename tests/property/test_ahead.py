"""Work that is done ahead: everything comes once, in order, and an error after what was before it."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.convert.ahead import WorkAhead

threads = st.integers(1, 4)
# How long the work on each item takes, in milliseconds.
durations = st.lists(st.integers(0, 3), max_size=30)


class Crowd:
    """A context in which at most so many threads may be at a time."""

    def __init__(self, most):
        self.lock, self.most, self.now = threading.Lock(), most, 0

    def __enter__(self):
        with self.lock:
            self.now += 1
            assert self.now <= self.most

    def __exit__(self, *_):
        with self.lock:
            self.now -= 1


@given(durations, threads)
def test_every_result_comes_once_in_the_order_of_the_items(durations, threads):
    taking, working = Crowd(1), Crowd(threads)

    def items():
        for item in enumerate(durations):
            with taking:
                yield item

    def work(item):
        with working:
            time.sleep(item[1] / 1000)
        return item

    assert list(WorkAhead(items(), work, threads).results()) == list(enumerate(durations))


@given(durations.filter(bool), threads, st.booleans(), st.data())
def test_an_error_comes_after_all_results_before_it_and_ends_the_work(durations, threads, is_item, data):
    bad = data.draw(st.integers(0, len(durations) - 1))
    threads_before = threading.active_count()
    given = []

    def items():
        for number, duration in enumerate(durations):
            if is_item and number == bad:
                raise KeyError(number)
            yield number, duration

    def work(item):
        time.sleep(item[1] / 1000)
        if item[0] == bad:
            raise KeyError(bad)
        return item[0]

    with pytest.raises(KeyError, match=str(bad)):
        given.extend(WorkAhead(items(), work, threads).results())
    assert threading.active_count() == threads_before
    assert given == list(range(bad))


@given(threads, st.integers(0, 20))
def test_who_takes_no_more_results_leaves_nothing_running(threads, taken):
    threads_before = threading.active_count()
    results = WorkAhead(iter(range(1_000)), lambda number: number, threads).results()
    assert [number for number, _ in zip(results, range(taken), strict=False)] == list(range(taken))
    results.close()
    assert threading.active_count() == threads_before


@given(threads)
def test_one_item_more_is_out_than_there_are_threads(threads):
    lock, out = threading.Lock(), []

    def items():
        for number in range(50):
            with lock:
                out.append(number)
                assert len(out) <= threads + 1
            yield number

    for number in WorkAhead(items(), lambda number: number, threads).results():
        with lock:
            assert out[0] == number
        time.sleep(0.001)
        with lock:
            out.pop(0)
