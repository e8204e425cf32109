"""What stands in the mails' HTML: the W3C's checker, a filter, and caniemail.com's tables of mail programs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.judge import caniemail
from tests.judge.mails import BUDGET, CASES, THEMES, Case, confirmation, largest, mail, matrix
from tests.judge.nu import errors
from tests.judge.report import note
from tests.judge.tools import needed

pytestmark = pytest.mark.judge
# What mail needs and the web doesn't: Outlook's Word engine reads these.
_OF_OUTLOOK = re.compile("CSS: “mso-[a-z-]+”: Property “mso-[a-z-]+” doesn't exist.")
_RULE = re.compile(r"^\s*(-?\d+\.\d) ([A-Z][A-Z0-9_]+)\s", re.MULTILINE)
_SHAPE = re.compile("HTML_(?!MESSAGE$)|MIME_|MPART|_TAG|OBFU|IMAGE_|MISSING_|WEIRD")


def test_the_html_checker_finds_no_error(tmp_path: Path) -> None:
    found = errors({one.name: one.html for one in matrix()}, tmp_path)
    for name, told in found.items():
        assert [message for message in told if not _OF_OUTLOOK.search(message)] == [], name
        note("Nu HTML checker, errors in mails", name, 1, 0, "<= 0")


def test_mail_programs_know_what_we_use_or_can_do_without() -> None:
    expected = caniemail.Baseline.load()
    used: set[str] = set()
    for one in matrix():
        found = caniemail.doubtful(one.html)
        assert expected.unknown(found) == [], f"{one.name}: write in {caniemail.BASELINE.name} why this does no harm"
        used |= found.keys()
        features = caniemail.features(one.html)
        note("caniemail, outside the baseline", one.name, len(features), 0, "<= 0")
    assert expected.features - used == set(), "in the baseline, and used no more"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_spam_filter_finds_no_fault_in_the_mail_itself(case: Case, tmp_path: Path) -> None:
    """Local rules only, and unsigned: what is left is what the mail looks like."""
    program = needed("spamassassin (Debian)", shutil.which("spamassassin"))
    for one in (mail(case, "usual"), confirmation(case)):
        settings = ["--cf=use_bayes 0", "--cf=use_auto_welcomelist 0", f"--prefspath={tmp_path / 'prefs'}"]
        told = subprocess.run(
            [program, "--local", "--test-mode", *settings],
            input=one.message,
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout.decode()
        rules = {name: float(points) for points, name in _RULE.findall(told.rpartition("Content analysis")[2])}
        assert rules, told[-2000:]
        assert [name for name, points in rules.items() if _SHAPE.search(name) and points > 0] == [], one.name
        score = sum(points for points in rules.values() if points > 0)  # what speaks for a list must not hide it
        assert score <= 1.0, rules
        note("SpamAssassin, points", one.name, len(rules), score, "<= 1.0")


def test_no_mail_is_clipped() -> None:
    for one in matrix():
        assert one.size <= BUDGET, one.name
        note("bytes of HTML as sent", one.name, 1, one.size, f"<= {BUDGET}")
    assert all(largest(theme).size > 0.9 * BUDGET for theme in THEMES), "the largest do reach the budget"
