"""Two machines with nothing in common but database, broker and SMTP server send one issue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.faults.conftest import Postgres, a_server, a_site
from tests.faults.hosts import NAMES, Host, Network, network
from tests.faults.site import Site

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]
READERS = 2000
Close = Callable[..., None]


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network() as made:
        yield made


@pytest.fixture(scope="module")
def server(net: Network) -> Iterator[Postgres]:
    with a_server() as server:
        if net.spaces:
            server.listen(net.address, net.reach)
        yield server


@pytest.fixture
def hosts(request: pytest.FixtureRequest, net: Network, server: Postgres) -> Iterator[tuple[Host, Host]]:
    """Two hosts at work on one site, whose broker and SMTP server run."""
    with server.database() as name:
        url = f"postgresql+psycopg://postgres@{net.address}/{name}" if net.spaces else server.named(name)
        with a_site(request.node.name, url, net.address) as site:
            site.people(READERS)
            site.sink(rate=300)
            site.broker()
            one, other = (Host(name, site, net) for name in NAMES)
            one.start()
            other.start()
            yield one, other


def test_two_hosts_share_one_issue(hosts: tuple[Host, Host], net: Network, close: Close) -> None:
    site = hosts[0].site
    _send(site, hosts)
    close(site, f"none; two hosts ({net})")
    shares = _shares(site)
    assert shares.keys() == {host.greeting for host in hosts}
    assert min(shares.values()) >= READERS // 10, "each did a fair part"
    assert shares.total() == READERS, "and together all, none twice"


def test_one_of_two_hosts_is_lost(hosts: tuple[Host, Host], net: Network, close: Close) -> None:
    """It never comes back, nor does its disk: what it had in hand is in doubt, all else the other one does."""
    lost, left = hosts
    site = lost.site
    _send(site, hosts)
    site.until(lambda: min(_shares(site)[host.greeting] for host in hosts) >= READERS // 20, "both at work")
    senders = lost.senders()
    lost.lose()
    journals, taken, in_hand = lost.journals, _shares(site)[lost.greeting], senders * site.settings.deliver.window
    assert journals, "it was in the midst of it"
    close(site, f"one of two hosts lost for good ({net})", in_hand)
    assert lost.journals == journals, "nobody has read them"
    shares = _shares(site)
    assert shares[lost.greeting] <= taken + in_hand, "no more of it than what was on its way"
    assert shares[left.greeting] >= READERS - taken - in_hand, "the other one did the rest"


def _send(site: Site, hosts: tuple[Host, Host]) -> None:
    site.until(lambda: all(host.senders() for host in hosts), "workers on both hosts")
    site.send()


def _shares(site: Site) -> Counter[str]:
    """How many messages came from which host."""
    return Counter(one.client for one in site.took())
