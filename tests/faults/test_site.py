"""The site under fault itself, with three readers and no fault, in every ``make test``: what ``make faults`` starts,
awaits and accounts for still works."""

from __future__ import annotations

from tests.faults.account import Row, table
from tests.faults.conftest import Bookkeeping
from tests.faults.site import Site, descendants


def test_an_issue_without_a_fault_is_accounted_for(on_sqlite: Site) -> None:
    site, rows = on_sqlite, list[Row]()
    site.people(3)
    site.sink(rate=100)
    (worker,) = site.staff()
    site.send()
    site.until_taken(1, let_time_pass=True)
    Bookkeeping(site, rows.append).close("none", in_flight=0)
    (row,) = rows
    assert (row.readers, row.accepted, row.lost, row.duplicated, row.in_doubt) == (3, 3, 0, 0, 0)
    assert "| none" in table(rows)
    site.flush_broker()
    assert descendants(worker.pid)
    assert site.kill(worker, "tree") == site.settings.worker.concurrency
