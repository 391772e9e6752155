from __future__ import annotations

import resource

import pytest

from lakehouse.errors import LocalError
from lakehouse.local.journal import Journal


@pytest.fixture
def reopened(tmp_path):
    """Makes the journal as the next process finds it."""
    return lambda: Journal(tmp_path / "state", "dynamodb")


@pytest.fixture
def file_size():
    """Limits how big a file may get, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_next_process_reads_every_entry_in_order(reopened):
    journal = reopened()
    for number in range(25):
        journal.append({"number": number, "text": "line\nbreaks\r\x85\u2028"})
        if number % 2:
            journal.begin_page()
    assert [entry["number"] for entry in reopened().read()] == list(range(25))
    assert reopened().read()[7]["text"] == "line\nbreaks\r\x85\u2028"


def test_a_journal_without_entries_takes_no_file(reopened, tmp_path):
    journal = reopened()
    assert journal.begin_page() == []
    assert journal.read() == []
    assert not (tmp_path / "state").exists()


def test_a_page_that_was_begun_before_a_checkpoint_goes_with_it_and_the_next_stays(reopened):
    journal = reopened()
    journal.append("before")
    superfluous = journal.begin_page()
    journal.append("after")
    journal.forget(superfluous)
    assert reopened().read() == ["after"]


def test_a_line_that_a_kill_tore_is_left_out_and_nothing_is_written_behind_it(reopened):
    journal = reopened()
    journal.append("whole")
    (page,) = journal.begin_page()
    with page.open("ab") as file:
        file.write(b'["tor')
    reopened().append("later")
    assert page.read_bytes().endswith(b'["tor')
    assert reopened().read() == ["whole", "later"]


def test_another_line_that_cannot_be_read_is_refused(reopened):
    journal = reopened()
    journal.append("first")
    (page,) = journal.begin_page()
    page.write_bytes(b'"fir\n"second"\n')
    with pytest.raises(LocalError, match=r"Line 1 of .*dynamodb\.00000001\.journal cannot be read.*lakehouse reset"):
        reopened().read()


@pytest.mark.parametrize("room", [0, 3])
def test_an_entry_that_the_disk_did_not_take_is_an_error_and_does_not_spoil_the_next(reopened, file_size, room):
    journal = reopened()
    journal.append("first")
    (page,) = journal.begin_page()
    journal.append("second")
    file_size(page.stat().st_size + 1 + room)
    with pytest.raises(OSError, match=r"File too large|The disk took"):
        journal.append("third" * 10)
    file_size(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    journal.append("fourth")
    assert reopened().read() == ["first", "second", "fourth"]
