"""The parts of a shared upload: numbered without gaps, large enough, whatever the rows turn out to be."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.convert import task_writer
from lakehouse.convert.multipart import MAX_PARTS, MIN_PART_BYTES, MultipartUpload
from lakehouse.convert.plan import PlannedTask, estimated_bytes, least_row_bytes, plan_tasks
from lakehouse.convert.source import ParquetFacts, RowGroupFacts
from lakehouse.convert.task_writer import TaskWriter

SCHEMA = pa.schema([(f"column_{number}", pa.int64()) for number in range(10)])


def facts_of(groups):
    facts, first_row = [], 0
    for index, (rows, decoded_bytes) in enumerate(groups):
        facts.append(RowGroupFacts(index, first_row, rows, decoded_bytes, decoded_bytes // 3))
        first_row += rows
    return ParquetFacts(sum(size for _, size in groups), first_row, SCHEMA, tuple(facts))


row_groups = st.lists(
    st.tuples(st.integers(0, 50_000_000), st.integers(0, 2 * 1024**4)) | st.tuples(st.integers(0, 2_000), st.just(0)),
    max_size=200,
)


@given(row_groups, st.integers(1, 500))
def test_a_plan_covers_every_row_group_once_and_in_order(groups, cores):
    facts = facts_of(groups)
    tasks = plan_tasks(facts, cores)
    assert [index for task in tasks for index in task.row_groups] == list(range(len(groups)))
    assert sum(task.rows for task in tasks) == facts.rows
    assert [task.index for task in tasks] == list(range(len(tasks)))


@given(row_groups, st.integers(1, 500))
def test_part_numbers_follow_each_other_without_a_gap_and_within_what_s3_takes(groups, cores):
    tasks = plan_tasks(facts_of(groups), cores)
    if len(tasks) == 1:
        assert (tasks[0].first_part, tasks[0].parts) == (1, None)
        return
    number = 1
    for task in tasks:
        assert task.first_part == number
        number += task.parts
    assert number - 1 <= MAX_PARTS


@given(row_groups, st.integers(1, 500))
def test_each_part_is_planned_three_times_as_large_as_s3_wants_it(groups, cores):
    facts = facts_of(groups)
    for task in plan_tasks(facts, cores):
        if task.parts is not None:
            planned = sum(
                estimated_bytes(facts, facts.row_groups[index].rows, facts.row_groups[index].decoded_bytes)
                for index in task.row_groups
            )
            assert planned >= 3 * MIN_PART_BYTES * task.parts
            assert task.parts <= task.rows


def test_many_row_groups_are_shared_among_all_cores():
    tasks = plan_tasks(facts_of([(1_000_000, 50_000_000)] * 24), 8)
    assert len(tasks) == 24


def test_a_small_file_is_one_task():
    assert len(plan_tasks(facts_of([(1_000, 50_000)] * 24), 8)) == 1


@pytest.mark.parametrize(
    ("schema", "shortest"),
    [
        (pa.schema([]), b"{}\n"),
        (pa.schema([("a", pa.int64())]), b'{"a":1}\n'),
        (pa.schema([("a", pa.int64()), ("ünï", pa.float64())]), '{"a":1,"ünï":0}\n'.encode()),
        (pa.schema([('q"', pa.int8())]), b'{"q\\"":1}\n'),
    ],
)
def test_no_row_is_shorter_than_the_least_that_its_names_take(schema, shortest):
    assert least_row_bytes(schema) == len(shortest)


# --- the writer of a task's parts ---------------------------------------------------------------------------------


class S3:
    """Stands in for S3: keeps the sizes of the parts that were put."""

    def __init__(self):
        self.parts = {}

    def upload_part(self, *, PartNumber, ContentLength, **_):  # noqa: N803 - S3's own names
        self.parts[PartNumber] = ContentLength


UPLOAD = MultipartUpload("bucket", "key", "id")
LEAST = 100


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(task_writer, "MIN_PART_BYTES", LEAST)
    monkeypatch.setattr(task_writer, "MAX_PART_BYTES", 1_000 * LEAST)


def put_parts(task, row_bytes, batch_sizes):
    s3 = S3()
    with TaskWriter(s3, UPLOAD, task) as writer:
        left = row_bytes
        while left:
            count = next(batch_sizes)
            writer.write(bytes(sum(left[:count])), len(left[:count]))
            left = left[count:]
        return writer.finish(), s3.parts


tasks = st.builds(
    lambda parts, first_part, rows_a_part: PlannedTask(0, (0,), parts * rows_a_part, first_part, parts),
    st.integers(1, 20),
    st.integers(1, 9_000),
    st.integers(10, 50),
)
batch_sizes = st.lists(st.integers(1, 700), min_size=1).map(itertools.cycle)


@given(tasks, batch_sizes, st.data())
def test_a_task_puts_exactly_its_parts_or_says_that_it_cannot(task, batch_sizes, data):
    row_bytes = data.draw(st.lists(st.integers(0, 40), min_size=task.rows, max_size=task.rows))
    reported, held = put_parts(task, row_bytes, batch_sizes)
    if reported is not None:
        assert [part.number for part in reported] == list(range(task.first_part, task.first_part + task.parts))
        assert {part.number: part.size_bytes for part in reported} == held
        assert sum(held.values()) == sum(row_bytes)
        assert min(held.values()) >= LEAST


@given(tasks, batch_sizes, st.data())
def test_rows_as_long_as_planned_always_fill_their_parts_however_they_are_batched(task, batch_sizes, data):
    least = -(-3 * LEAST * task.parts // task.rows)
    row_bytes = data.draw(st.lists(st.integers(least, 5 * least), min_size=task.rows, max_size=task.rows))
    reported, held = put_parts(task, row_bytes, batch_sizes)
    assert reported is not None
    assert sum(held.values()) == sum(row_bytes)


@given(tasks, batch_sizes)
def test_rejected_rows_between_the_others_do_not_empty_a_part(task, batch_sizes):
    least = -(-3 * LEAST * task.parts // task.rows)
    row_bytes = [2 * least if row % 2 else 0 for row in range(task.rows)]
    reported, _ = put_parts(task, row_bytes, batch_sizes)
    assert reported is not None


@given(st.lists(st.integers(0, 500), max_size=30))
def test_a_lone_task_takes_as_many_parts_as_it_needs(sizes):
    task = PlannedTask(index=0, row_groups=(0,), rows=len(sizes), first_part=1, parts=None)
    s3 = S3()
    with TaskWriter(s3, UPLOAD, task) as writer:
        for size in sizes:
            writer.write(bytes(size), 1)
        reported = writer.finish()
    assert [part.number for part in reported] == ([1] if sum(sizes) else [])
    assert sum(s3.parts.values()) == sum(sizes)


def test_a_part_larger_than_s3_takes_gives_the_plan_up():
    task = PlannedTask(index=0, row_groups=(0,), rows=1, first_part=1, parts=1)
    s3 = S3()
    with TaskWriter(s3, UPLOAD, task) as writer:
        writer.write(bytes(1_001 * LEAST), 1)
        assert writer.finish() is None
    assert s3.parts == {}


def test_parts_that_were_left_behind_by_rejected_rows_are_caught_up_with():
    task = PlannedTask(index=0, row_groups=(0,), rows=40, first_part=1, parts=4)
    reported, held = put_parts(task, [0] * 20 + [100] * 20, itertools.cycle([10]))
    assert reported is not None
    assert sum(held.values()) == 2_000


def test_a_tail_of_rejected_rows_gives_the_plan_up():
    task = PlannedTask(index=0, row_groups=(0,), rows=40, first_part=1, parts=4)
    assert put_parts(task, [100] * 20 + [0] * 20, itertools.cycle([10]))[0] is None
