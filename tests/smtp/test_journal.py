"""A worker's own record: what it says after its worker has ended, however it ended."""

from __future__ import annotations

import errno
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from digest.errors import UnavailableError
from digest.smtp.journal import Journal, Record, abandoned
from tests.support.world import ACCEPTED, NO_SUCH_USER


def left(folder: Path) -> Record:
    ((_, record),) = abandoned(folder)
    return record


def broken_off(journal: Journal) -> None:
    journal.__exit__(KeyboardInterrupt, None, None)


def test_it_tells_what_was_in_flight_from_what_was_answered_and_what_never_left(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 7, 3, "me")
    journal.took([1, 2, 3, 4, 5])
    journal.wire([1, 2, 3])
    journal.heard([(1, ACCEPTED), (2, NO_SUCH_USER)])
    journal.wire([2])  # begun again
    assert not list(abandoned(tmp_path)), "its worker lives"
    broken_off(journal)
    record = left(tmp_path)
    assert (record.issue_id, record.batch, record.owner) == (7, 3, "me")
    assert record.heard == {1: ACCEPTED}
    assert (record.unheard, record.never_sent) == (frozenset({2, 3}), frozenset({4, 5}))


@pytest.mark.parametrize("taken_away", [True, False])
def test_one_just_made_may_be_taken_for_abandoned_and_serves_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken_away: bool
) -> None:
    lock, looks = fcntl.flock, iter([True])

    def lock_after_somebody_looked(file: int, kind: int) -> None:
        if next(looks, False):
            ((path, record),) = abandoned(tmp_path)
            assert not record.taken
            if taken_away:
                path.unlink()
        lock(file, kind)

    monkeypatch.setattr(fcntl, "flock", lock_after_somebody_looked)
    journal = Journal(tmp_path, 7, 3, "me")
    journal.took([1, 2])
    assert not list(abandoned(tmp_path)), "its worker lives"
    broken_off(journal)
    assert left(tmp_path).never_sent == {1, 2}


def test_it_waits_for_who_is_just_looking_at_it(tmp_path: Path) -> None:
    (tmp_path / "7-3-me.journal").touch()
    looking = abandoned(tmp_path)
    path, _ = next(looking)
    with ThreadPoolExecutor(1) as thread:
        journal = thread.submit(Journal, tmp_path, 7, 3, "me")
        path.unlink()
        assert not list(looking)
        journal.result().took([1])
    assert path.read_text().rstrip("\0") == "lease 7 3 me\ntook 1\n"


def test_on_a_full_disk_nothing_is_done_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, 7, 3, "me")
    journal.took([101, 102, 103])
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[:9], at))
    with pytest.raises(UnavailableError, match="the disk is full"):
        journal.wire([101, 102])
    broken_off(journal)
    assert left(tmp_path).never_sent == {101, 102, 103}


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves no room on a disk")
def test_room_for_every_answer_is_reserved_before_anything_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, 7, 3, "me")
    ids = range(1_000_000_000_000, 1_000_000_000_500)
    journal.took(ids)
    (path,) = tmp_path.iterdir()
    reserved = path.stat().st_size
    for _ in range(2):  # each is begun on a second connection, too
        journal.wire(ids)
    talkative = replace(NO_SUCH_USER, text="ümläut " * 42)
    journal.heard((one, talkative) for one in ids)
    assert path.stat().st_size == reserved, "nothing was written behind the room"

    def full(_file: int, _at: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UnavailableError, match="No space left"):
        journal.took([1, 2])
    broken_off(journal)
    record = left(tmp_path)
    assert set(record.heard) == set(ids) and record.taken == set(ids), "what found no room was not taken in hand"


def test_of_a_damaged_one_all_is_in_doubt_that_was_not_answered_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 7, 3, "me")
    journal.took([1, 2, 3])
    journal.wire([1])
    journal.heard([(1, ACCEPTED)])
    broken_off(journal)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text().rstrip("\0") + "wire 2 \0\0\0\nheard 3 ACCEPTED\n")
    record = left(tmp_path)
    assert set(record.heard) == {1}
    assert record.unheard == frozenset({2, 3})
    assert not record.never_sent
