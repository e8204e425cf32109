"""What is promised of every mail, so that nobody need look at its bytes again."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from digest.app import template_folders
from digest.editorial import variants
from digest.mail import dkim, wrap
from digest.mail.personalise import Press
from digest.outcomes import Envelope
from digest.values import ArticleDraft, Block, CompiledIssue, Image, Reader
from tests.support import samples
from tests.support.samples import NOW

KEYS = (("a", b"k" * 32),)
SIGNER = dkim.Signer("news.example.org", "ed", ed25519.Ed25519PrivateKey.generate())

loose = st.text("..  \t\r\n=<>-&;ab\xa0é長\u2028\x85", max_size=120) | st.text(max_size=60)
locals_ = st.text("...+-_=&'ab\xe9", min_size=1, max_size=100)


def both(compiled: CompiledIssue, reader: Reader, budget: int = 90_000) -> tuple[Envelope, Envelope]:
    """A reader's mail, unsigned and signed."""
    variant = variants.choose(compiled.content, reader.sections, reader.covered_until)
    plain, signed = (Press(compiled, KEYS, "b.example.org", budget, signers) for signers in ((), (SIGNER,)))
    return plain.message(variant, reader, NOW), signed.message(variant, reader, NOW)


def has_dotted_line(raw: bytes) -> bool:
    return b"\n." in b"\n" + raw


@pytest.fixture(scope="module")
def greeting(tmp_path_factory: pytest.TempPathFactory) -> CompiledIssue:
    """An issue of a publisher who puts the name where an empty one or one with a dot would do most harm."""
    folder: Path = tmp_path_factory.mktemp("templates")
    name = '{{ slot("name") }}'
    for kind in ("html", "txt"):
        source = (template_folders(None)[0] / "themes" / "classic" / f"issue.{kind}.j2").read_text(encoding="utf-8")
        cut = '{{ cut("tail") }}\n'
        assert cut in source
        told = source.replace(cut, f"{cut}{name}.hidden {name} .x\n.y\t \n{name}\n")
        (folder / f"issue.{kind}.j2").write_text(told, encoding="utf-8")
    return samples.compiled(folders=[folder])


@settings(max_examples=50)
@given(loose, locals_)
@example("", ".a")
@example(".", "." * 90)
@example("." * 80, ".")
@example(". . .", "a")
def test_no_reader_makes_a_line_that_begins_with_a_dot_or_a_body_that_dkim_would_change(
    greeting: CompiledIssue, name: str, local: str
) -> None:
    plain, signed = both(greeting, Reader(7, 41, f"{local}@example.org", name))
    assert plain.dotless
    assert not has_dotted_line(plain.message)
    assert signed.message == dkim.sign(plain.message, [SIGNER], NOW)
    assert replace(signed, message=b"") == replace(plain, message=b"")


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(loose, loose)
@example(".NET " * 60, "." * 900)
@example("..", ". . " * 300)
def test_no_headline_does_either(title: str, words: str) -> None:
    draft = ArticleDraft(
        title=title, standfirst=words, byline=words, place=title, agency=words, countries=(title,),
        url="https://a.example/." + "." * 300, image=Image("https://a.example/i.jpg", words, title),
    )  # fmt: skip
    compiled = samples.compiled(samples.content(told=samples.with_first(draft)))
    for budget in (1, 90_000):
        plain, signed = both(compiled, Reader(7, 41, "a@example.org"), budget)
        assert plain.dotless
        assert not has_dotted_line(plain.message)
        assert max(map(len, plain.message.split(b"\r\n"))) <= 998
        assert signed.message == dkim.sign(plain.message, [SIGNER], NOW)


def test_the_subject_is_the_headline_a_reader_sees_first() -> None:
    compiled = samples.compiled()
    seen = set[str]()
    for chosen in (None, ("views", "lead"), ("health", "lead", "views"), ("latest", "lead")):
        plain, _ = both(compiled, Reader(7, 41, "a@example.org", sections=chosen))
        mail = message_from_bytes(plain.message, policy=policy.default)
        body = mail.get_body(("plain",))
        assert body
        text = body.get_content().replace("\r\n", " ")
        titles = {item.title: text.find(f"{item.title} ") for item in compiled.content.items.values()}
        first = min((title for title, at in titles.items() if at >= 0), key=titles.__getitem__)
        assert mail["Subject"].startswith(first)
        seen.add(first)
    assert len(seen) == 4


def test_our_own_templates_are_in_canonical_form() -> None:
    compiled = samples.compiled()
    for part in (compiled.html, compiled.text):
        stories = [block for blocks in part.stories for block in blocks.values()]
        assert all(map(wrap.settled, (part.head, part.more, part.tail, *part.opening, *part.closing, *stories)))


@pytest.mark.parametrize(
    ("tail", "dotless"), [("a  b\r\n", True), ("a\tb\r\n", True), ("a \r\n", True), ("a", True), ("..\r\n.", False)]
)
def test_an_issue_that_does_not_keep_the_promise_is_not_believed(tail: str, dotless: bool) -> None:
    compiled = samples.compiled()
    compiled = replace(compiled, text=replace(compiled.text, tail=Block((tail,))))
    plain, signed = both(compiled, Reader(7, 41, "a@example.org"))
    assert plain.dotless is dotless is not has_dotted_line(plain.message)
    assert signed.message == dkim.sign(plain.message, [SIGNER], NOW)


@settings(max_examples=100)
@given(st.text("..  \t\nab=x;", max_size=200))
@example("." * 2000)
@example(". " * 900)
def test_markup_of_any_kind_is_made_of_lines_that_keep_it(markup: str) -> None:
    for slot in ("name", "rank"):
        block = wrap.html_block(
            f'@@n:{slot}@@{markup} <p a="b"\n title="{markup[:99]}">{markup}</p><!--{markup[:99]}-->', "n"
        )
        assert wrap.dotless(block)
        assert wrap.settled(block) or slot == "name", "a reader without a name can leave two blanks in a row"
        assert block.literals == ("",) or block.literals[-1].endswith("\r\n")
        assert max(map(len, "".join(block.literals).split("\r\n"))) <= 998


def test_a_mail_s_text_survives_its_leading_dots(greeting: CompiledIssue) -> None:
    plain, _ = both(greeting, Reader(7, 41, "a@example.org", ".Net"))
    mail = message_from_bytes(plain.message, policy=policy.default)
    text, html = (part.get_content() for part in mail.iter_parts())
    assert ".Net.hidden .Net .x\n.y" in text.replace("\r\n", "\n")
    assert "&#46;Net.hidden &#46;Net .x .y &#46;Net " in " ".join(html.split())
