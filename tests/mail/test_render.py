"""The compiled issue: rendered once, safe against what feeds say, short-lined, readable, and never over the network."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import premailer
import pytest
from lxml import html as lxml_html

from digest.app import template_folders
from digest.codec import codec
from digest.editorial import variants
from digest.errors import InputError
from digest.mail import personalise, wrap
from digest.mail.personalise import Press
from digest.values import ArticleDraft, Block, CompiledIssue, Image, IssueContent, Reader, Variant
from tests.support import samples
from tests.support.samples import EDITION, NONCE, NOW

KEYS = (("a", b"k" * 32),)
READER = Reader(1, 2, "reader@example.org", name="R")


def everything(content: IssueContent) -> Variant:
    return variants.choose(content, None, None)


def page(compiled: CompiledIssue) -> str:
    return personalise.web_page(compiled, everything(compiled.content), "TOKEN", address="reader@example.org")


def pressed(compiled: CompiledIssue, budget: int = 90_000) -> Press:
    return Press(compiled, KEYS, "b.example.org", budget)


def parsed(markup: str) -> Any:
    """The document as a browser would see it (``Any``: lxml's stubs know little of its HTML side)."""
    return lxml_html.document_fromstring(markup)


def led_by(draft: ArticleDraft) -> IssueContent:
    told = samples.with_first(draft)
    return samples.content(EDITION, told)


class Counts:
    """How often templates were rendered and premailer was called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.renders = self.inlinings = 0
        rendered, inlined = jinja2.Template.render, premailer.Premailer.transform

        def render_counted(template, *args, **kwargs):  # type: ignore[no-untyped-def]
            self.renders += 1
            return rendered(template, *args, **kwargs)

        def transform_counted(transformer, *args, **kwargs):  # type: ignore[no-untyped-def]
            self.inlinings += 1
            return inlined(transformer, *args, **kwargs)

        monkeypatch.setattr(jinja2.Template, "render", render_counted)
        monkeypatch.setattr(premailer.Premailer, "transform", transform_counted)


@pytest.mark.parametrize("articles", [1, 30])
@pytest.mark.parametrize("readers", [10, 1000])
def test_rendering_work_grows_with_neither_readers_nor_articles(
    readers: int, articles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Counts(monkeypatch)
    compiled = samples.compiled(samples.content(EDITION, samples.stories()[:articles]))
    press = pressed(compiled)
    optional = [section.key for section in EDITION.sections if section.optional]
    mails = set()
    for number in range(readers):
        chosen = tuple(key for bit, key in enumerate(optional) if number >> bit & 1)
        reader = Reader(1, number, f"r{number}@example.org", sections=chosen)
        mails.add(press.message(variants.choose(compiled.content, chosen, None), reader, NOW).message)
    assert len(mails) == readers
    assert (counts.renders, counts.inlinings) == (2, 1)


def test_a_story_is_written_once_however_many_sections_of_one_layout_can_show_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded = []
    html_block = wrap.html_block

    def noted(markup: str, nonce: str) -> Block:
        encoded.append(markup)
        return html_block(markup, nonce)

    monkeypatch.setattr(wrap, "html_block", noted)
    alike = [replace(EDITION.sections[4], key=f"latest-{n}", title=f"Latest {n}") for n in range(8)]
    compiled = samples.compiled(samples.content(replace(EDITION, sections=(EDITION.sections[0], *alike))))
    frame, told = 3 + 2 * 9, len(compiled.content.items)
    assert sum(map(len, compiled.html.stories)) > 4 * told, "each is a candidate of many sections"
    assert len(encoded) <= frame + told + len(compiled.content.candidates[0])
    chosen = variants.choose(compiled.content, ("latest-7", "latest-5"), None)
    text = personalise.web_page(compiled, chosen, "T")
    assert re.findall(r">(Latest \d)<", text) == ["Latest 7", "Latest 5"]
    assert len(set(re.findall(r"/news/2026/11/(\d+)-story", text))) == 1 + 6 + 6


def test_what_was_compiled_comes_back_from_the_store() -> None:
    compiled = samples.compiled()
    assert codec(CompiledIssue).validate_json(codec(CompiledIssue).dump_json(compiled).decode()) == compiled


def test_a_reader_for_whom_nothing_is_new_gets_no_mail() -> None:
    compiled = samples.compiled()
    with pytest.raises(ValueError, match="nothing in this issue is new"):
        pressed(compiled).message(variants.choose(compiled.content, None, 1), READER, NOW)


def test_thirty_articles_fit_into_a_mail_and_css_is_lean() -> None:
    compiled = samples.compiled()
    shown = everything(compiled.content).shown
    assert sum(len(ids) for _, ids in shown) >= 28
    text = page(compiled)
    assert len(text) < 90_000
    [kept] = parsed(text).xpath("//head/style/text()")
    assert len(kept) < 8_000
    assert "prefers-color-scheme: dark" in kept
    assert kept.count("!important") > 20


def test_markup_is_what_mail_clients_and_screen_readers_need() -> None:
    text = page(samples.compiled())
    document = parsed(text)
    assert (document.get("lang"), document.get("dir")) == ("en-IN", "ltr")
    assert "Harbour Post" in document.findtext("head/title", "")
    assert all(table.get("role") == "presentation" for table in document.iter("table"))
    images = document.xpath("//img")
    assert len(images) > 10
    for image in images:
        assert image.get("src").startswith("https://")
        assert image.get("alt")
        assert image.get("width").isdigit()
        assert image.get("height").isdigit(), "premailer would make it auto"
        assert "display:block" in image.get("style")
    assert [len(document.xpath(f"//{name}")) > 0 for name in ("h1", "h2", "h3")] == [True] * 3
    assert len(document.xpath("//h1")) == 1
    assert "<!--[if mso]><table" in text
    assert not re.search(r"display:\s*(flex|grid)", text)
    assert not document.xpath("//script|//link|//form")


def test_kinds_numbers_credits_and_agencies_are_shown() -> None:
    seen = " ".join(parsed(page(samples.compiled())).text_content().split())
    for words in ("Interview", "Brazil · Also in Meridian Wire", "Image: Ingrid Solheim / Harbour Post", "IST"):
        assert words in seen
    assert "(With inputs from agencies.)" in seen
    assert "· The Harbour Post" not in seen, "an edition's own name is no news in it"
    ranks = parsed(page(samples.compiled())).xpath("//td[@class='rank']/text()")
    assert ranks == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("budget", [1, 15_000, 20_000, 25_000, 30_000])
def test_a_size_budget_cuts_between_stories_and_says_where_the_rest_is(budget: int) -> None:
    compiled = samples.compiled()
    raw = pressed(compiled, budget).message(everything(compiled.content), READER, NOW).message
    html = raw.partition(b"text/html")[2].partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
    assert len(html) <= budget or html.count(b"<h3") == 1
    assert b"Read the rest online" in html
    assert b"Read the rest online" in raw.partition(b"text/html")[0]
    assert b"/u/" in html
    whole = len(re.findall("<h3|<b><a", page(compiled)))
    assert 1 <= html.count(b"<h3") + html.count(b"<b><a") < whole


def test_over_the_size_budget_stories_are_told_shorter_from_the_last_section_up() -> None:
    compiled = samples.compiled()
    variant = everything(compiled.content)
    told = sum(len(ids) for _, ids in variant.shown)

    def html(budget: int) -> str:
        raw = pressed(compiled, budget).message(variant, READER, NOW).message.decode()
        return raw.partition("text/html")[2].partition("\r\n\r\n")[2].rpartition("\r\n--")[0]

    whole = html(90_000)
    previous = whole.count("<img")
    for budget in range(len(whole) - 500, len(whole) - 5_000, -1_000):
        text = html(budget)
        assert len(text) <= budget
        assert text.count("<h3") == told, "none is lost"
        assert "Read the rest online" not in text
        assert text.count("<img") <= previous
        assert "<img" in text.partition("Trending")[0], "the lead keeps its picture"
        previous = text.count("<img")
    rows = html(len(whole) - 500)
    assert rows.partition("South Asia")[0] == whole.partition("South Asia")[0], "what comes first stays as it was"
    assert rows.partition("South Asia")[2].count("<img") == 0


HOSTILE = [
    f"A @@{'x' * 8}:token@@ B",
    "A <!--x--> <script>alert(1)</script> B",
    "A <!--n0nce:tail--> B",
    'A "><img src=x onerror=alert(1)> B',
    "A {{ 7 * 7 }} {% raw %} B",
    "A \x00\x07\x85\ufffe ]]> --> B",
    "a > b & c < d",
    "長い見出し" * 60,
    "x" * 3000,
    "नमस्ते दुनिया " * 40,
]


@pytest.mark.parametrize("words", HOSTILE)
def test_what_a_feed_says_stays_text(words: str) -> None:
    draft = ArticleDraft(
        title=words, standfirst=words, byline=words, place=words, agency=words, countries=(words,),
        url="https://a.example/?q=%22&x=1", image=Image("https://a.example/i.jpg", words, words),
    )  # fmt: skip
    compiled = samples.compiled(led_by(draft))
    raw = pressed(compiled).message(everything(compiled.content), READER, NOW).message
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    document = parsed(page(compiled))
    assert not document.xpath("//script|//*[@onerror]")
    clean = " ".join(re.sub("[\x00-\x1f\x7f-\x9f\ufffe]", "", words).split())
    titles = ["".join(title.text_content().split()) for title in document.xpath("//h3[1]")]
    assert "".join(clean.split()) in titles
    assert document.xpath("//a[contains(@href, '/u/TOKEN')]"), "the frame is whole"


def test_a_nonce_that_a_feed_knows_is_refused() -> None:
    for planted in (f"@@{NONCE}:token@@", f"<!--{NONCE}:tail-->"):
        with pytest.raises(ValueError, match="nonce"):
            samples.compiled(led_by(ArticleDraft(title=planted)))


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", "https://a.example/" + "x" * 2000, "https://a.example/a b"])
def test_a_link_that_can_t_stand_in_a_mail_is_left_out_and_its_story_is_not(url: str) -> None:
    compiled = samples.compiled(led_by(ArticleDraft(title="Unlinked news", url=url, image=Image(url))))
    [title] = parsed(page(compiled)).xpath("//h3[.='Unlinked news']")
    assert not title.xpath(".//a")


def overriding(folder: Path, name: str, old: str, new: str) -> Path:
    """A publisher's templates folder with one file changed."""
    ours = template_folders(None)[0]
    path = next(path for path in (ours / "themes" / "classic" / name, ours / name) if path.is_file())
    source = path.read_text(encoding="utf-8")
    assert old in source
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(source.replace(old, new, 1), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("issue.html.j2", 'slot("preheader")', 'slot("password")', "slot 'password'"),
        ("issue.txt.j2", "{{ web_url }}", '{{ slot("rank") }}', "slot 'rank' in 'head'"),
        ("issue.txt.j2", "{{ web_url }}", '{{ slot("preheader") }}', "slot 'preheader'"),
        ("issue.html.j2", '{{ cut("tail") }}', "", "lacks the cut 'tail'"),
        ("issue.html.j2", '{{ cut("tail") }}', '{{ cut("end") }}{{ cut("tail") }}', "uses the cut 'end'"),
        ("issue.html.j2", '{{ cut("tail") }}', '{{ cut("tail") }}{{ cut("tail") }}', "cuts 'tail' twice"),
        ("more.html.j2", "{{ t.more }}", "{{ t.nothing }}", "nothing"),
        ("issue.html.j2", "</head>", "{% if %}", "issue.html.j2, line"),
        ("more.html.j2", "{{ t.more }}", "{{ 1 / 0 }}", "division by zero"),
        ("issue.html.j2", "footer.html.j2", "fotter.html.j2", "no template fotter.html.j2"),
        ("more.html.j2", "{{ t.more }}", "{{ t.more.__class__.__mro__ }}", "issue.html.j2"),
        ("more.html.j2", 'class="stand"', 'data-x="' + "x" * 999 + '"', "line of"),
        ("media.css.j2", ":root", "/*" + "x" * 8000 + "*/:root", "<style>"),
        ("strings/es.toml", "[mail]", "[mail", "es.toml"),
    ],
)
def test_a_template_that_can_t_work_is_told_at_compile_time(
    name: str, old: str, new: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=re.escape(told)):
        samples.compiled(folders=[overriding(tmp_path, name, old, new)])


def test_a_publisher_overrides_one_file_and_a_reader_s_name_may_stand_in_it(tmp_path: Path) -> None:
    folder = overriding(
        tmp_path, "masthead.html.j2", "{{ edition.tagline|directed }}", 'Good morning, {{ slot("name") }}!'
    )
    (tmp_path / "strings.toml").write_text('[en]\nunsubscribe = "Enough"\n', encoding="utf-8")
    compiled = samples.compiled(folders=[folder])
    name = 'Zoë <b>"&' + "ʻ" * 80
    text = personalise.web_page(compiled, everything(compiled.content), "T", name)
    document = parsed(text)
    assert 'Good morning, Zoë <b>"&ʻʻ' in " ".join(document.text_content().split())
    assert document.xpath("//a[.='Enough']")
    assert max(map(len, text.split("\r\n"))) <= 998


def test_the_preheader_goes_on_where_the_subject_ends() -> None:
    compiled = samples.compiled()
    shown = [story_id for _, ids in everything(compiled.content).shown for story_id in ids]

    def hidden(markup: str) -> str:
        return " ".join(parsed(markup).xpath("//body/div[1]")[0].text_content().split())

    def mailed(variant: Variant) -> str:
        raw = pressed(compiled).message(variant, READER, NOW).message
        return hidden(raw.partition(b"text/html")[2].partition(b"\r\n\r\n")[2].decode())

    ahead = mailed(everything(compiled.content))
    assert compiled.content.items[shown[0]].title not in ahead
    for story_id in shown[1:3]:
        assert compiled.content.items[story_id].title in ahead
    assert mailed(Variant(((0, (shown[0],)),))).startswith("After eleven years of talks")
    assert "Port strike" not in hidden(page(compiled)), "the web version needs none"
