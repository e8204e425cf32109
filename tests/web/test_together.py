"""What is committed together before it is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from digest.errors import UnavailableError
from digest.web.together import Together


def test_what_comes_in_meanwhile_shares_the_next_transaction() -> None:
    begun, go_on, batches = threading.Event(), threading.Event(), list[list[int]]()

    def act(several: Sequence[int]) -> list[int]:
        batches.append(sorted(several))
        begun.set()
        assert go_on.wait(30)
        return [-n for n in several]

    together = Together[int, int](act)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(together.do, 0)
        assert begun.wait(30)
        others = [pool.submit(together.do, n) for n in range(1, 8)]
        while together.waiting < 7:
            pass
        assert not first.done() and not any(one.done() for one in others), "nobody is answered before it is done"
        go_on.set()
        assert [one.result(30) for one in (first, *others)] == [0, -1, -2, -3, -4, -5, -6, -7], "each is told their own"
    assert batches == [[0], [1, 2, 3, 4, 5, 6, 7]]


def _at_once(act: Callable[[Sequence[int]], Sequence[int]], numbers: Sequence[int]) -> list[Future[int]]:
    """What becomes of ``numbers`` that share a transaction."""
    begun, go_on = threading.Event(), threading.Event()

    def slow_first(several: Sequence[int]) -> Sequence[int]:
        if 0 not in several:
            return act(several)
        begun.set()
        assert go_on.wait(30)
        return several

    together = Together[int, int](slow_first)
    with ThreadPoolExecutor(len(numbers) + 1) as pool:
        pool.submit(together.do, 0)
        assert begun.wait(30)
        done = [pool.submit(together.do, number) for number in numbers]
        while together.waiting < len(numbers):
            pass
        go_on.set()
    return done


def test_one_at_fault_costs_the_others_nothing() -> None:
    tries = list[int]()

    def act(several: Sequence[int]) -> Sequence[int]:
        tries.append(len(several))
        if 13 in several:
            raise ValueError("not this one")
        return [-number for number in several]

    done = _at_once(act, range(1, 33))
    assert [one.result() for number, one in enumerate(done, 1) if number != 13] == [-n for n in range(1, 33) if n != 13]
    with pytest.raises(ValueError, match="not this one"):
        done[12].result()
    assert len(tries) == 11, "by halves, not one by one"


def test_when_nothing_can_be_done_all_are_told_at_once() -> None:
    tries = list[int]()

    def act(several: Sequence[int]) -> Sequence[int]:
        tries.append(len(several))
        raise UnavailableError("the database is away")

    for one in _at_once(act, range(1, 9)):
        with pytest.raises(UnavailableError, match="away"):
            one.result()
    assert tries == [8]


def test_a_failure_is_told_to_all_it_concerns_and_to_nobody_else() -> None:
    fails = [True]

    def act(several: Sequence[int]) -> Sequence[int]:
        if fails.pop():
            raise ValueError("the database is away")
        return several

    together = Together[int, int](act)
    with pytest.raises(ValueError, match="away"):
        together.do(1)
    fails.append(False)
    together.do(2)
