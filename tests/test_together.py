"""What is committed together before it is answered."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

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
        assert [one.result(30) for one in (first, *others)] == [0, -1, -2, -3, -4, -5, -6, -7], "each is told his own"
    assert batches == [[0], [1, 2, 3, 4, 5, 6, 7]]


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
