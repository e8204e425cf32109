"""Feeds as they come, and which of their entries are the same article."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import InputError
from digest.language.text import shorten
from digest.sources import intake
from digest.sources.clean import plain, web_url
from digest.sources.feeds import ParsedFeed
from digest.sources.intake import KnownArticle, canonical_url, content_key, decide, keys
from digest.sources.parse import parse
from digest.values import ArticleDraft, Image, Kind

URL = "https://news.example/feeds/world.xml"


def rss(items: str, extra: str = "") -> bytes:
    return f"""<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0">
<channel><title>World &amp;amp; more</title><language>en-GB</language>{extra}{items}</channel></rss>""".encode()


def one(body: bytes, content_type: str = "application/rss+xml") -> ArticleDraft:
    feed = parse(body, content_type, URL)
    assert len(feed.drafts) == 1 and not feed.rejected
    return feed.drafts[0]


# ----------------------------------------------------------------------------------------------- parsing


def test_an_rss_entry_becomes_a_draft() -> None:
    draft = one(
        rss("""<item><title>Storm &amp;lt;b&amp;gt;hits&lt;/b&gt; the  coast</title><link>/storm?x=1</link>
        <guid isPermaLink="false">n-1</guid><description>&lt;p&gt;Wind.&lt;/p&gt;&lt;p&gt;Rain &amp;amp; hail.&lt;/p&gt;
        </description><dc:creator>Ann Lee</dc:creator><category>Opinion</category><category>Weather</category>
        <pubDate>Mon, 23 Nov 2026 07:30:00 +0530</pubDate>
        <media:content url="/a/100.jpg" medium="image" width="100" height="80"/>
        <media:content url="/a/640.jpg" medium="image" width="640" height="360"><media:credit>Bo/Agency</media:credit>
        </media:content><media:content url="/a/620.jpg" medium="image" width="620" height="900"/></item>""")
    )
    assert draft == ArticleDraft(
        title="Storm <b>hits the coast",
        url="https://news.example/storm?x=1",
        guid="n-1",
        standfirst="Wind. Rain & hail.",
        byline="Ann Lee",
        tags=("opinion", "weather"),
        kind=Kind.OPINION,
        language="en-GB",
        image=Image("https://news.example/a/640.jpg", credit="Bo/Agency", width=640, height=360),
        published=datetime(2026, 11, 23, 2, 0, tzinfo=UTC),
    )
    assert parse(rss(""), "text/xml", URL) == ParsedFeed("World & more", (), ())


def test_atom_says_itself_what_is_markup() -> None:
    draft = one(
        b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de"><title>T</title><entry><id>urn:1</id>
        <title type="text">How &lt;div> works</title><link href="http://x.example/1"/>
        <content type="html">&lt;img src="/x.gif" width="1" height="1">&lt;img src="/p.jpg" alt="Pic">Words.</content>
        <author><name>Jo</name><email>jo@x.example</email></author><author><name>Al</name></author>
        <published>2026-11-23T07:00:00+01:00</published><updated>2026-11-23T08:00:00Z</updated></entry></feed>""",
        "application/atom+xml",
    )
    assert (draft.title, draft.standfirst, draft.byline) == ("How <div> works", "Words.", "Jo, Al")
    assert draft.image == Image("https://news.example/p.jpg", alt="Pic")
    assert (draft.published, draft.updated) == (
        datetime(2026, 11, 23, 6, tzinfo=UTC),
        datetime(2026, 11, 23, 8, tzinfo=UTC),
    )


@pytest.mark.parametrize("version", ["https://jsonfeed.org/version/1", "https://jsonfeed.org/version/1.1"])
def test_json_feeds_are_read(version: str) -> None:
    item = {
        "id": 7,
        "url": "/7",
        "title": "Tides & <moons>",
        "content_html": "<p>High <b>water</b>.</p><img src='/in.jpg'>",
        "image": "https://cdn.example/7.jpg",
        "date_published": "2026-11-23T09:00:00+02:00",
        "date_modified": "yesterday",
        "tags": ["Sea", 5],
        "authors": [{"name": "Ann"}, {"url": "x"}],
        "author": {"name": "Ann"},
    }
    body = {"version": version, "title": "Sea", "language": "en", "items": [item, "?", {"id": 8}]}
    feed = parse(json.dumps(body).encode(), "application/feed+json", URL)
    assert feed.drafts == (
        ArticleDraft(
            title="Tides & <moons>",
            url="https://news.example/7",
            guid="7",
            standfirst="High water.",
            byline="Ann",
            tags=("sea",),
            language="en",
            image=Image("https://cdn.example/7.jpg"),
            published=datetime(2026, 11, 23, 7, tzinfo=UTC),
        ),
    )
    assert [(r.where, r.reason) for r in feed.rejected] == [
        ("entry 2", "is not an object"),
        ("entry 3", "has neither a title nor a text"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'<rss version="0.91"><channel><item><title>A</title></item></channel></rss>',
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">'
        b"<item><title>A</title></item></rdf:RDF>",
        b"<rss><channel><item><title>A</title><description>&nbsp; R&D <b>no end</description></item>",
        '<?xml version="1.0"?><rss version="2.0"><channel><item><title>A</title></item></channel></rss>'.encode(
            "utf-16"
        ),
        b'\xef\xbb\xbf{"items": [{"title": "A"}]}',
    ],
)
def test_old_broken_and_oddly_encoded_feeds_are_read(body: bytes) -> None:
    assert one(body, "text/xml").title == "A"


@pytest.mark.parametrize(
    "body",
    [b"", b" \n", b"\xfe\xff", b"<!doctype html><html><head><title>x</title></head></html>", bytes(range(256)) * 9,
     b"/etc/passwd",
     b"{", b'{"a": 1}', b"[" * 100_000 + b"{", b"{" + b'"a":[' * 100_000, b"https://127.0.0.1:1/"],
)  # fmt: skip
def test_what_is_no_feed_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(InputError, match=r"news\.example"):
        parse(body, "text/plain", URL)


def test_entity_bombs_and_external_entities_do_nothing(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "secret").write_text("classified")
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f"""<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY e0 "boom">{levels}
    <!ENTITY x SYSTEM "file://{tmp_path}/secret">]><rss version="2.0"><channel>
    <item><title>Calm &e11; &x;</title></item></channel></rss>"""
    draft = one(bomb.encode())
    assert draft.title.startswith("Calm") and len(draft.title) < 50 and "classified" not in repr(draft)


def test_entries_without_words_are_rejected_and_counted() -> None:
    feed = parse(
        rss("<item><link>https://x.example/1</link></item><item><description>Only words</description></item>"), "", URL
    )
    assert [draft.title for draft in feed.drafts] == ["Only words"]
    assert [(r.where, "x.example/1" in r.raw) for r in feed.rejected] == [("entry 1", True)]


@pytest.mark.parametrize(
    ("item", "url"),
    [
        ("<link>javascript:alert(1)</link>", ""),
        ("<link>ftp://x.example/</link>", ""),
        ("<link>https://user:pw@x.example/</link>", ""),
        ("<link></link>", ""),
        ("<guid>https://x.example/guid</guid>", "https://x.example/guid"),
        ("<link>http://c.example/~r/1</link><feedburner:origLink>https://x.example/1</feedburner:origLink>",
         "https://x.example/1"),
    ],
)  # fmt: skip
def test_links_lead_to_the_article_or_nowhere(item: str, url: str) -> None:
    assert one(rss(f"<item><title>A</title>{item}</item>")).url == url


@pytest.mark.parametrize(
    ("media", "image"),
    [
        ('<media:thumbnail url="/t.jpg" width="75" height="75"/>', "https://news.example/t.jpg"),
        ('<enclosure url="https://x.example/e.png" type="image/png" length="9"/>', "https://x.example/e.png"),
        ('<enclosure url="https://x.example/e.mp3" type="audio/mpeg" length="9"/>', None),
        ('<media:content url="https://x.example/v.mp4" type="video/mp4"/>', None),
        ('<media:content url="https://x.example/1.gif" medium="image" width="1" height="1"/>', None),
        ('<media:content url="javascript:x" medium="image"/>', None),
        ('<content:encoded>&lt;img src="data:image/png;base64,xx">&lt;IMG src="/c.jpg"></content:encoded>',
         "https://news.example/c.jpg"),
    ],
)  # fmt: skip
def test_pictures_are_found_where_feeds_put_them(media: str, image: str | None) -> None:
    found = one(rss(f"<item><title>A</title>{media}</item>")).image
    assert (found.url if found else None) == image


def test_strangers_words_come_out_harmless() -> None:
    assert plain("<script>x()</script>A&nbsp;<b onclick=x>B</b><br>C &lt;i&gt;") == "A B C <i>"
    assert plain("5 < 6 & 7", markup=False) == plain("5 < 6 & 7") == "5 < 6 & 7"
    assert shorten("one two three", 9) == "one two…" and len(shorten("x" * 500, 300)) == 300
    assert web_url("https://новости.рф:8080/а?б=в", URL) == "https://xn--b1amnebsh.xn--p1ai:8080/а?б=в"
    assert web_url("https://BÜCHER.example/x") == "https://xn--bcher-kva.example/x"
    assert (
        web_url("https://a\u2024b\uff0eexample/") in {"", "https://a.b.example/"} and web_url("https://\u2028/") == ""
    )
    assert web_url("//X.example/a b", URL) == "https://X.example/a%20b" and web_url("", URL) == ""


@given(st.binary(max_size=300), st.sampled_from([b"", b"<rss><item>", b"<feed><entry><title>", b'{"items": [']))
def test_any_bytes_are_a_feed_or_said_not_to_be(noise: bytes, start: bytes) -> None:
    try:
        feed = parse(start + noise, "", URL)
    except InputError:
        return
    json.dumps([draft.title for draft in feed.drafts]).encode()
    for draft in feed.drafts:
        (draft.title + draft.guid + draft.url + draft.standfirst).encode()


# ---------------------------------------------------------------------------------------------- identity

LONG = "A standfirst that is long enough to be nobody else's, since it says in full what came to pass today."
A = ArticleDraft("Storm hits the coast", "https://x.example/storm", "g1", LONG)
B = ArticleDraft("Budget passes at last", "https://x.example/budget", "g2", "Votes were counted.")
HOME = "https://x.example/"


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTPS://News.Example:443/A/?utm_source=rss&b=2&a=1#top", "https://news.example/A?a=1&b=2"),
        ("http://x.example:80", "http://x.example"),
        ("http://x.example:8080/", "http://x.example:8080"),
        ("https://x.example/a?emc=rss&partner=rss", "https://x.example/a"),
        ("http://x.example/m.html?wt_mc=rss.a.b&fbclid=1&gclid=2&CMP=rss&ref=rss", "http://x.example/m.html"),
        ("https://x.example/?ref=contents&id=5", "https://x.example?id=5&ref=contents"),
        ("https://x.example/%c3%bc b", "https://x.example/%C3%BC%20b"),
        ("https://ü.example/", "https://xn--tda.example"),
        ("not a url", "not a url"),
    ],
)
def test_many_ways_to_write_an_address_are_one(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical
    assert canonical_url(canonical) == canonical


def stored(drafts: Sequence[ArticleDraft]) -> dict[bytes, KnownArticle]:
    """What the store would know after an empty feed's first document held these."""
    return {
        key: KnownArticle(number, keyed.content_key, keyed.draft.title, keyed.draft.url, keyed.draft.guid)
        for number, keyed in enumerate(decide(drafts, {}).new)
        for key in keyed.keys
    }


LATER = datetime(2026, 11, 24, tzinfo=UTC)
IDENTITY: list[tuple[str, list[ArticleDraft], list[ArticleDraft], tuple[int, int, int]]] = [
    # what happens                           before  then                                        new, updated, known
    ("nothing", [A, B], [A, B], (0, 0, 2)),
    ("twice in one document", [], [A, A, B], (2, 0, 1)),
    ("twice, under http and https", [], [A, replace(A, url="http://www.x.example/storm/")], (1, 0, 1)),
    ("twice, with another guid", [], [A, replace(A, guid="g9")], (1, 0, 1)),
    ("changed guid", [A], [replace(A, guid="g9")], (0, 0, 1)),
    ("changed guid and reworded", [A], [replace(A, guid="g9", title="Storm hits coast")], (0, 1, 0)),
    ("guid lost", [A], [replace(A, guid="")], (0, 0, 1)),
    ("guid gained", [replace(A, guid="")], [A], (0, 0, 1)),
    ("no guid, reworded", [replace(A, guid="")], [replace(A, guid="", title="Calm again")], (0, 1, 0)),
    ("reworded", [A], [replace(A, standfirst="More is known.")], (0, 1, 0)),
    ("corrected headline", [A], [replace(A, title="Gale at sea")], (0, 1, 0)),
    ("moved", [A], [replace(A, url="https://x.example/storm-2")], (0, 1, 0)),
    ("another picture", [A], [replace(A, image=Image("https://x.example/i.jpg"))], (0, 1, 0)),
    ("re-dated", [A], [replace(A, published=LATER, updated=LATER)], (0, 0, 1)),
    ("http to https", [replace(A, url="http://www.x.example/storm")], [A], (0, 0, 1)),
    ("new tracking", [A], [replace(A, url=A.url + "?utm_medium=rss", guid="")], (0, 0, 1)),
    ("all identifiers renewed", [A], [replace(A, guid="n1", url="https://new.example/9")], (0, 1, 0)),
    ("one guid for all", [], [replace(A, guid="x"), replace(B, guid="x")], (2, 0, 0)),
    ("one guid for all, again", [replace(A, guid="x"), replace(B, guid="x")],
     [replace(B, guid="x"), replace(A, guid="x")], (0, 0, 2)),
    ("one link for all", [], [replace(A, url=HOME), replace(B, url=HOME)], (2, 0, 0)),
    ("one link for all, one comes", [replace(A, url=HOME), replace(B, url=HOME)],
     [replace(A, url=HOME), replace(B, url=HOME), replace(B, url=HOME, guid="g3", title="Third")], (1, 0, 2)),
    ("one link and guid for all", [], [replace(d, url=HOME, guid=HOME) for d in (A, B)], (2, 0, 0)),
    ("one link, one entry at a time", [replace(A, url=HOME)], [replace(B, url=HOME)], (1, 0, 0)),
    ("one link, one entry at a time, no guid", [replace(A, url=HOME, guid="")], [replace(B, url=HOME, guid="")],
     (1, 0, 0)),
    ("entries numbered from 1", [replace(A, guid="1")], [replace(B, guid="1")], (1, 0, 0)),
    ("a column's standing headline", [replace(A, standfirst="")],
     [replace(A, standfirst="", guid="g9", url="https://x.example/9")], (1, 0, 0)),
    ("no identifiers at all", [replace(A, guid="", url="")], [replace(A, guid="", url="")], (0, 0, 1)),
    ("no identifiers, another text", [replace(A, guid="", url="")], [replace(B, guid="", url="")], (1, 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("before", "then", "counts"), [c[1:] for c in IDENTITY], ids=[c[0] for c in IDENTITY])
def test_an_article_is_itself_whatever_its_feed_does(
    before: list[ArticleDraft], then: list[ArticleDraft], counts: tuple[int, int, int]
) -> None:
    decision = decide(then, stored(before))
    assert (len(decision.new), len(decision.updated), len(decision.known) + decision.repeated) == counts


def test_an_article_past_its_retention_is_no_news() -> None:
    forgotten = dict.fromkeys(keys(A), KnownArticle(None))
    decision = decide([replace(A, title="Reworded"), B], forgotten)
    assert [keyed.draft for keyed in decision.new] == [B] and not decision.updated


CONFUSABLE = st.builds(
    ArticleDraft,
    title=st.sampled_from("AB"),
    url=st.sampled_from(["", HOME, A.url]),
    guid=st.sampled_from(["", "1", "2"]),
    standfirst=st.sampled_from(["", LONG]),
)


@given(st.lists(CONFUSABLE, max_size=8))
def test_a_document_read_again_brings_nothing(drafts: list[ArticleDraft]) -> None:
    first = decide(drafts, {})
    assert len(first.new) + first.repeated == len(drafts)
    assert len({key for keyed in first.new for key in keyed.keys}) == sum(len(keyed.keys) for keyed in first.new)
    again = decide(drafts, stored(drafts))
    assert not again.new and not again.updated


def test_what_a_reader_would_not_see_is_no_update() -> None:
    signed = replace(A, image=Image("https://x.example/i.jpg?sig=1"), tags=("a", "b"))
    again = replace(A, image=Image("https://x.example/i.jpg?sig=2", width=9), tags=("b", "a"), guid="other")
    assert content_key(signed) == content_key(again) != content_key(A)
    assert intake.lookup_keys([A]) >= set(keys(A))
