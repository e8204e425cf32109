"""Whether domains take mail, asked of a name server on this machine."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from typer.testing import CliRunner

from digest import cli
from digest.app import App
from digest.cli.common import Door
from digest.flows.readers import domains
from digest.net import dns as resolve
from digest.settings import DnsSettings, Settings
from digest.store.content import editions
from tests.conftest import NOW
from tests.support.morning import EDITION

ZONE = {
    ("mail.example.", "MX"): ["10 mx.mail.example."],
    ("host.example.", "A"): ["192.0.2.1"],
    ("six.example.", "AAAA"): ["2001:db8::1"],
    ("null.example.", "MX"): ["0 ."],
    ("text.example.", "TXT"): ['"nothing"'],
}
BROKEN = "broken.example."
WANTED = {
    "mail.example": True,
    "host.example": True,
    "six.example": True,
    "null.example": False,
    "text.example": False,
    "none.example": False,
    "broken.example": None,
}


class NameServer(socketserver.ThreadingUDPServer):
    """Knows ``ZONE``, fails for ``BROKEN``, and counts what it is asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Query)


class _Query(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, NameServer)
        raw, socket = self.request
        query = dns.message.from_wire(raw)
        (question,) = query.question
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        self.server.asked.append((name, kind))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name == BROKEN:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif found := ZONE.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *found))
        elif name not in {known for known, _ in ZONE}:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        socket.sendto(answer.to_wire(), self.client_address)


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def app(settings: Settings, server: NameServer) -> Iterator[App]:
    dns_settings = DnsSettings(servers=("127.0.0.1",), port=server.server_address[1], timeout_seconds=2)
    app = App(settings.model_copy(update={"dns": dns_settings}))
    with app.database.write() as connection:
        editions.save(connection, EDITION, NOW)
    yield app
    app.database.dispose()


def test_a_domain_takes_mail_with_an_exchanger_or_an_address(server: NameServer) -> None:
    asked = resolve.resolver(["127.0.0.1"], server.server_address[1], 2)
    assert {one.name: one.takes_mail for one in resolve.look_up(WANTED, asked, 4)} == WANTED


def test_answers_are_remembered_and_doubts_are_not(app: App, server: NameServer) -> None:
    dead = {name for name, takes in WANTED.items() if takes is False}
    assert domains.refused(app.database, WANTED, app.look_up, NOW).keys() == dead
    server.asked.clear()
    assert domains.refused(app.database, WANTED, app.look_up, NOW + timedelta(days=29)).keys() == dead
    assert {name for name, _ in server.asked} == {BROKEN}
    domains.refused(app.database, WANTED, app.look_up, NOW + timedelta(days=31))
    assert {name for name, _ in server.asked} == {f"{name}." for name in WANTED}


def test_an_import_rejects_what_no_mail_can_reach(app: App, tmp_path: Path) -> None:
    file = tmp_path / "readers.csv"
    file.write_text("\n".join(["address", *(f"ann@{name}" for name in WANTED)]), encoding="utf-8")

    def run(*arguments: str) -> dict[str, object]:
        result = CliRunner().invoke(cli.app, ["subscriber", *arguments, "-e", "morning", "--json"], obj=Door(app=app))
        assert result.exit_code == 0, result.output
        told: dict[str, object] = json.loads(result.stdout)
        return told

    checked = ("import", str(file), "--consent", "x", "--check-domains")
    tried, told = run(*checked, "--dry-run"), run(*checked)
    assert (tried["added"], tried["rejected"]) == (told["added"], told["rejected"]) == (4, 3)
    assert "none.example does not exist" in str(told["first_rejected"])
    assert run("check-domains") == {"domains": 4, "dead": []}
    assert run("import", str(file), "--consent", "x")["added"] == 3
    found = run("check-domains")
    assert (found["domains"], len(found["dead"])) == (7, 3)  # type: ignore[arg-type]
