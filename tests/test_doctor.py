"""`digest doctor`: what it finds where all is well, and where it isn't."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from digest import cli
from digest.app import App
from digest.cli.common import Door
from digest.configuration import load
from digest.doctor import Verdict, examine
from digest.errors import ConfigError
from digest.mail import dkim, published
from digest.settings import DkimSettings, DnsSettings, Settings, SmtpSettings
from digest.smtp.knock import knock
from digest.store.content import editions
from tests.conftest import KEY, NOW, on_sqlite
from tests.flows.readers.test_domains import ZONE, NameServer, server
from tests.support.certificates import make_certificate
from tests.support.morning import EDITION
from tests.support.ports import free_port
from tests.support.smtp_server import Script, SmtpServer

__all__ = ["server"]  # a fixture
GOOD = {
    ("mail.example.", "TXT"): ['"v=spf1 ip4:192.0.2.1 -all"', '"something else"'],
    ("_dmarc.mail.example.", "TXT"): ['"v=DMARC1; p=none"'],
}


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        (["v=spf1 mx -all", "other"], ""),
        (["v=spf10 mx"], "publishes no SPF"),
        (["v=spf1 mx", "V=SPF1 a"], "more than one SPF"),
        (["v=spf1 +all"], "whole world"),
    ],
)
def test_spf(records: list[str], fault: str) -> None:
    assert fault in published.spf_fault(records)
    assert bool(fault) == bool(published.spf_fault(records))


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        (["v=DKIM1; k=rsa; p=AB CD"], ""),
        (["k=rsa; p=old", "k=rsa; p=ABCD"], ""),
        (["v=spf1 -all"], "publishes no key"),
        (["v=DKIM1; p="], "revoked"),
        (["v=DKIM1; p=EFGH"], "another key"),
    ],
)
def test_dkim(records: list[str], fault: str) -> None:
    assert fault in published.dkim_fault(records, "v=DKIM1; k=rsa; p=ABCD")
    assert bool(fault) == bool(published.dkim_fault(records, "v=DKIM1; k=rsa; p=ABCD"))


def test_dmarc_is_looked_for_above_a_domain_too() -> None:
    assert list(published.dmarc_names("a.b.example")) == ["_dmarc.a.b.example", "_dmarc.b.example"]
    assert published.dmarc_fault(["v=DMARC1; p=reject"]) == ""
    assert "without a policy" in published.dmarc_fault(["v=DMARC1"])


def route(port: int, **settings: object) -> SmtpSettings:
    return SmtpSettings.model_validate({"host": "127.0.0.1", "port": port, "security": "none"} | settings)


def test_a_server_that_lets_us_in_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    def refuses_login(stage: str, _recipient: str, _connection: int) -> bytes | None:
        return b"535 5.7.8 wrong password" if stage == "AUTH" else None

    ca_file, context = make_certificate(tmp_path)
    login = {"security": "starttls", "username": "ann", "password": "secret"}
    with SmtpServer(Script(tls=context)) as server:
        assert knock(route(server.port, **login, ca_file=ca_file), 5) is None
        assert server.logins
        assert server.received == []
        assert "certificate" in _reason(route(server.port, **login))
    with SmtpServer(Script(tls=context, reply=refuses_login)) as server:
        assert "wrong password" in _reason(route(server.port, **login, ca_file=ca_file))
    assert "refused" in _reason(route(free_port()))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "no answer" in _reason(route(silent.getsockname()[1]), 0.2)


def _reason(settings: SmtpSettings, seconds: float = 5) -> str:
    failure = knock(settings, seconds)
    return failure.reason.lower() if failure else "let in"


@pytest.fixture
def sending(settings: Settings, tmp_path: Path, server: NameServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """An edition of mail.example whose DKIM key and other records are published, and a mail server that takes mail."""
    made = CliRunner().invoke(cli.app, ["dkim", "nov26", "--out", str(tmp_path / "key.pem")])
    record = next(line for line in made.output.splitlines() if line.startswith("v=DKIM1"))
    zone = GOOD | {("nov26._domainkey.mail.example.", "TXT"): [dkim.in_pieces(record)]}
    for place, found in zone.items():
        monkeypatch.setitem(ZONE, place, found)
    with SmtpServer() as smtp:
        app = App(
            settings.model_copy(
                update={
                    "dns": DnsSettings(servers=("127.0.0.1",), port=server.server_address[1], timeout_seconds=2),
                    "dkim": (DkimSettings(selector="nov26", key_file=tmp_path / "key.pem"),),
                    "smtp": route(smtp.port),
                    "base_url": f"http://127.0.0.1:{free_port()}",
                }
            )
        )
        app.settings.state_dir.mkdir()
        with app.database.write() as connection:
            editions.save(connection, replace(EDITION, sender=("Post", "post@mail.example")), NOW)
        yield app
        app.database.dispose()


@on_sqlite
def test_each_thing_is_judged_by_itself(sending: App, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {finding.what: finding for finding in examine(sending)}
    failed = {what for what, finding in found.items() if finding.verdict is not Verdict.OK}
    assert failed == {"broker", "base_url", "pages"}
    assert {"database", "mail server default", "DKIM key nov26", "SPF of mail.example"} < set(found)
    assert all(found[what].advice for what in failed)

    monkeypatch.setitem(ZONE, ("nov26._domainkey.mail.example.", "TXT"), ['"v=DKIM1; p=other"'])
    monkeypatch.delitem(ZONE, ("_dmarc.mail.example.", "TXT"))
    sending.settings.dkim[0].key_file.chmod(0o600)
    failed = {finding.what for finding in examine(sending) if finding.verdict is not Verdict.OK}
    assert failed == {"broker", "base_url", "pages", "DKIM nov26._domainkey.mail.example", "DMARC of mail.example"}


@on_sqlite
def test_the_command_says_what_to_do_and_ends_with_1(sending: App) -> None:
    told = CliRunner().invoke(cli.app, ["doctor"], obj=Door(app=sending))
    assert told.exit_code == 1
    assert "fail: pages: start `digest web`" in told.output
    assert "3 failed" in told.output
    listed = json.loads(CliRunner().invoke(cli.app, ["doctor", "--json"], obj=Door(app=sending)).stdout)
    assert {"what": "broker", "verdict": "fail"}.items() <= next(
        one for one in listed if one["what"] == "broker"
    ).items()


@on_sqlite
def test_without_an_edition_it_says_that_no_domain_was_looked_at(settings: Settings) -> None:
    app = App(settings.model_copy(update={"smtp": route(free_port()), "base_url": f"http://127.0.0.1:{free_port()}"}))
    found = {finding.what: finding.verdict for finding in examine(app)}
    app.database.dispose()
    assert found["domains"] is Verdict.WARN


@on_sqlite
def test_what_does_not_answer_does_not_keep_the_doctor(sending: App) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sending.settings = sending.settings.model_copy(update={"smtp": route(silent.getsockname()[1])})
        found = {finding.what: finding for finding in examine(sending, 2.0)}
    assert found["mail server default"].verdict is Verdict.FAIL
    assert found["database"].verdict is Verdict.OK


@on_sqlite
def test_a_new_key_is_shown_with_the_names_it_is_published_at(sending: App, tmp_path: Path) -> None:
    out = tmp_path / "new.pem"
    told = CliRunner().invoke(cli.app, ["dkim", "dec26", "--out", str(out)], obj=Door(app=sending))
    assert "at dec26._domainkey.mail.example\n" in told.stderr
    assert told.stdout == dkim.dns_record(dkim.read_key(out.read_bytes(), "")) + "\n"
    pieces = next(line for line in told.stderr.splitlines() if '"v=DKIM1' in line).split('"')[1::2]
    assert "".join(pieces) == told.stdout.strip()
    assert max(map(len, pieces)) == 255


def test_a_fault_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "digest.toml"
    config.write_text(f'secret_keys = ["{KEY}"]\ntemplates_dir = "nothere"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"digest\.toml: templates_dir: there is no folder .*nothere"):
        load(config)
    monkeypatch.setenv("DIGEST_TEMPLATES_DIR", "elsewhere")
    with pytest.raises(ConfigError, match=r"^the environment: DIGEST_TEMPLATES_DIR: there is no folder .*elsewhere"):
        load(config)
    monkeypatch.setenv("DIGEST_DELIVER__BATCH", "zero")
    with pytest.raises(ConfigError, match=r"^the environment: DIGEST_DELIVER__BATCH: ") as told:
        load(config)
    assert "digest.toml" not in str(told.value)
    monkeypatch.setenv("DIGEST_DKIM", "no json")
    with pytest.raises(ConfigError, match=r"^the environment: "):
        load(config)
