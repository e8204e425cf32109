"""The story of the demo, step by step: each step runs a command and waits for what it brings about."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tomllib
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from string import Template
from typing import Any

from demo import mails, readers, verdict
from demo.mails import Known, Mail
from demo.screen import Commands, DemoError, Screen, wait_until
from demo.site import documents, pictures
from demo.site.server import Site
from digest.configuration import load
from digest.settings import Settings

EDITION = "meridian"
TEMPLATE = Path(__file__).with_name("edition.toml")
_SETTINGS = """
[fetch]
allow_private = true         # the newspapers are served on loopback

[web]
port = {web}

[worker]
tick_seconds = 1
"""
_MINUTES_TO_SEND = 3
_PAGES = {"v": "web version", "p": "preferences", "u": "unsubscribe (only shown: a GET changes nothing)"}


class Story:
    """One run: its folder, its newspapers, how many readers it has, and ``digest up`` once it is started."""

    def __init__(self, folder: Path, site: Site, readers: int, screen: Screen) -> None:
        self.folder = folder
        self._readers = readers
        self._site = site
        self._screen = screen
        self._commands = Commands(folder, screen)
        self._up: subprocess.Popen[bytes] | None = None
        self._gone = ""

    def tell(self) -> None:
        """All of it. Raises ``DemoError`` where something is not as it must be."""
        self._set_up()
        self._take_news_in()
        self._import_readers()
        self._bring_out("First issue", self._readers)
        self._unsubscribe_one()
        self._next_day()
        self._bring_out("Second issue", self._readers - 1)
        self._report()

    def end(self) -> None:
        """End ``digest up``, politely first."""
        if self._up and self._up.poll() is None:
            self._up.terminate()
            try:
                self._up.wait(40)
            except subprocess.TimeoutExpired:
                self._up.kill()
                self._up.wait()

    @property
    def log(self) -> Path:
        return self.folder / "up.log"

    @property
    def maildir(self) -> Path:
        return self._settings.state_dir / "mail"

    # ------------------------------------------------------------------------------------------ the steps

    def _set_up(self) -> None:
        self._screen.step("A configuration, a database and an edition")
        web, mailbox = _free_ports(2)
        self._commands.run("init", "--yes", "--base-url", f"http://127.0.0.1:{web}")
        config = self.folder / "digest.toml"
        text = config.read_text(encoding="utf-8").replace("\n[smtp]\n", f"\nmailbox_port = {mailbox}\n\n[smtp]\n", 1)
        config.write_text(text + _SETTINGS.format(web=web), encoding="utf-8")
        self._screen.line("put free ports into digest.toml and allowed feeds on loopback")
        addresses = self._site.addresses
        edition = Template(TEMPLATE.read_text(encoding="utf-8"))
        (self.folder / "edition.toml").write_text(
            edition.substitute(courier=addresses.courier, telegraph=addresses.telegraph), encoding="utf-8"
        )
        self._commands.run("edition", "apply", "edition.toml")

    def _take_news_in(self) -> None:
        self._screen.step("News comes in: a page, a file and three feeds, two papers telling some of the same")
        top, *others = self._site.newsroom()
        self._commands.run("article", "add", top.url, "--feed", "newsroom")
        (self.folder / "newsroom.jsonl").write_text(documents.json_lines(others), encoding="utf-8")
        self._commands.run("article", "import", "newsroom.jsonl", "--feed", "newsroom")
        self._commands.run("feed", "collect")
        self._up = self._commands.start("up", log=self.log)
        self._screen.line("web, worker, beat, a broker and a mailbox are starting; they write to up.log")

    def _import_readers(self) -> None:
        self._screen.step(
            f"{self._readers:,} readers of the daily digest, and {len(readers.FAULTS)} lines that can't be taken"
        )
        optional = [section["key"] for section in self._edition["section"] if section.get("optional", True)]
        readers.write(self.folder / "readers.csv", self._readers, optional)
        consent = "they asked for it when they subscribed to the paper"
        options = ("--edition", EDITION, "--consent", consent, "--rejects", self._refused.name)
        self._commands.run("subscriber", "import", "readers.csv", *options)
        refused = self._refused.read_text(encoding="utf-8").count("\n") - 1
        if refused != len(readers.FAULTS) or len(self._choices) != self._readers:
            raise DemoError(f"{refused} lines were rejected and {len(self._choices)} taken")

    def _bring_out(self, title: str, count: int) -> None:
        self._screen.step(f"{title}, scheduled for a moment from now")
        before = len(self._received())
        assert self._up
        wait_until(self._answers, "the web pages", 60, self._up)
        moment = datetime.now(UTC) + timedelta(seconds=3 + 2 * self._commands.quickest)
        self._commands.run("schedule", "add", EDITION, "--at", f"{moment:%Y-%m-%dT%H:%M:%SZ}")
        self._commands.run("status", "--watch")
        wait_until(lambda: len(self._received()) >= before + count, title.lower(), 60 * _MINUTES_TO_SEND, self._up)

    def _unsubscribe_one(self) -> None:
        self._screen.step("A reader opens their mail and unsubscribes with one click")
        mail = min(self._received())
        self._gone = str(mails.parse(mail)["Delivered-To"])
        self._screen.line(f"{mail.name}, to {self._gone}:")
        for letter, url in mails.links(mail, self._settings.base_url).items():
            self._screen.line(f"  GET  {url} -> {_fetched(url)}  {_PAGES[letter]}")
        url = mails.one_click(mail)
        answer = _fetched(url, b"List-Unsubscribe=One-Click")
        self._screen.line(f"  POST {url} -> {answer}  as List-Unsubscribe in the mail's header says (RFC 8058)")

    def _next_day(self) -> None:
        self._screen.step("The next day: new articles, old ones told again by the other paper")
        self._site.day = 2
        (self.folder / "newsroom.jsonl").write_text(documents.json_lines(self._site.newsroom()), encoding="utf-8")
        self._commands.run("article", "import", "newsroom.jsonl", "--feed", "newsroom")
        self._commands.run("feed", "collect", "--all")

    def _report(self) -> None:
        self._screen.step("The account, read back from the received mails")
        titles = {section["key"]: section["title"] for section in self._edition["section"]}
        always = {section["title"] for section in self._edition["section"] if not section.get("optional", True)}
        choices = {
            reader: None if keys is None else frozenset(titles[key] for key in keys)
            for reader, keys in self._choices.items()
        }
        stories = {piece.url: piece.story for piece in self._site.pieces}
        known = Known(self._settings.keys, frozenset(titles.values()), stories)
        received = mails.read_all(self.maildir, known)
        findings = verdict.judge(received, verdict.Expected(choices, frozenset(always), self._gone))
        for finding in findings:
            self._screen.finding(finding.what, finding.found, finding.good)
        self._screen.line("\n  mails with the section                first    second")
        for title, first, second in verdict.sections(received, list(titles.values())):
            self._screen.line(f"  {title:<36} {first:>6,}    {second:>6,}")
        self._keep_samples(received)
        wrong = [finding.what for finding in findings if not finding.good]
        if wrong:
            raise DemoError(f"not as it must be: {', '.join(wrong)}")

    def _keep_samples(self, received: Sequence[Mail]) -> None:
        """The fullest mail of each issue as files to open, with its pictures beside it."""
        look = self.folder / "look"
        (look / "pictures").mkdir(parents=True)
        for piece in self._site.pieces:
            if piece.picture:
                (look / "pictures" / f"{piece.slug}.png").write_bytes(pictures.png(f"/pictures/{piece.slug}.png"))
        for number, issue in enumerate(sorted({mail.issue for mail in received}), start=1):
            fullest = max((m for m in received if m.issue == issue), key=lambda m: (len(m.stories), m.recipient))
            shutil.copy(fullest.path, look / f"issue-{number}.eml")
            for kind, suffix in (("html", "html"), ("plain", "txt")):
                text = mails.body(mails.parse(fullest.path), kind)
                text = text.replace(f"{self._site.addresses.courier}/pictures/", "pictures/")
                text = text.replace(f"{self._site.addresses.telegraph}/pictures/", "pictures/")
                (look / f"issue-{number}.{suffix}").write_text(text, encoding="utf-8")
        self._sample = max(received, key=lambda m: (m.issue, len(m.stories), m.recipient)).path

    def where_to_look(self, root: Path, kept: bool) -> None:
        """The end: what there is to see."""
        web = mails.links(self._sample, self._settings.base_url).get("v", "")
        shown = self.folder.relative_to(root)
        self._screen.step("Where to look")
        self._screen.line(f"  all mails          {self.maildir.relative_to(root)}/new/*.eml")
        self._screen.line(f"  two in a browser   {shown}/look/issue-1.html and issue-2.html (.txt, .eml)")
        self._screen.line(f"  rejected readers   {self._refused.relative_to(root)}")
        if kept:
            self._screen.line(f"  a web version      {web}")
            self._screen.line(f"  the sign-up page   {self._settings.base_url}/s/{EDITION}")
            self._screen.line(f"  more commands      cd {shown} && {_relative_digest(root, self.folder)} status")
        else:
            self._screen.line("  web versions       `make demo KEEP=1` leaves everything running")

    # -------------------------------------------------------------------------------------- what they need

    @cached_property
    def _settings(self) -> Settings:
        return load(self.folder / "digest.toml")

    @cached_property
    def _edition(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "edition.toml").read_text(encoding="utf-8"))

    @cached_property
    def _choices(self) -> dict[str, frozenset[str] | None]:
        return readers.read(self.folder / "readers.csv", self._refused)

    @property
    def _refused(self) -> Path:
        return self.folder / "readers.rejected.csv"

    def _received(self) -> list[Path]:
        new = self.maildir / "new"
        return list(new.iterdir()) if new.is_dir() else []

    def _answers(self) -> bool:
        try:
            return _fetched(f"{self._settings.base_url}/s/{EDITION}") == 200
        except OSError:
            return False


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on at this moment, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _fetched(url: str, body: bytes | None = None) -> int:
    """The status of a 200 answer; anything else is a failure. Without cookies, redirects not wanted."""
    with urllib.request.urlopen(url, body, timeout=20) as answer:
        status: int = answer.status
    if status != 200:
        raise DemoError(f"{url} answered {status}")
    return status


def _relative_digest(root: Path, folder: Path) -> str:
    return "../" * len(folder.relative_to(root).parts) + ".venv/bin/digest"
