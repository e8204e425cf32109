"""premailer behind its one module: what it would do to a mail by itself, and that the module doesn't let it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import premailer
import pytest

from digest.errors import InputError
from digest.mail import inline


def page(css: str, body: str, head: str = "") -> str:
    return f"<html><head><title>T</title>{head}<style>{css}</style></head><body>{body}</body></html>"


@pytest.mark.parametrize(
    ("css", "body"),
    [
        (".a { color: red } .b { color: blue }", '<p class="a">1<p class="b a">2<p class="a  b">3<p class=" b\n">'),
        (".a { color: red } p { color: blue } p.a { top: 0 } #i { left: 0 }", '<p class="a">1<p class="a" id="i">2'),
        (".a { top: 0 !important } .a-b { top: 1px }", '<p class="a a-b b">1<p class="a-b" style="top: 2px">2'),
        (
            ".a, .b { top: 0 } .c { left: 0 } div .a { left: 1px } .a.b { left: 2px }",
            '<div class="b"><i class="a b">1</i></div>',
        ),
        (
            ".a:hover { top: 0 } .a:first-child { left: 0 } @media print { .a { top: 1px } }",
            '<p class="a">1</p><p class="a:b">2</p>',
        ),
        (".a { top: 0 }", '<p class="a &quot;x&quot;">1<p class="x] a, i">2'),
        (".a { top: 0 }", '<p class="é a">1<p class="é">2<p class="A">3'),
    ],
)
def test_styles_are_inlined_as_premailer_does(css: str, body: str) -> None:
    markup = f"<html><head><title>T</title><style>{css}</style></head><body>{body}</body></html>"
    options = {"allow_network": False, "strip_important": False, "disable_validation": True}
    theirs = premailer.Premailer(markup, **options).transform(pretty_print=False)
    for _ in ("first", "with the style sheet known"):
        assert inline.inlined(markup).partition("<html")[2] == theirs.partition("<html")[2]


@pytest.fixture
def web() -> Iterator[tuple[str, list[str]]]:
    """A server on loopback and the paths that were asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"td { color: #f00 }")

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_no_style_sheet_is_fetched(web: tuple[str, list[str]]) -> None:
    base, asked = web
    imports = f'@import url("{base}/a.css"); @\\69mport "{base}/b.css"; .tag {{ color: #123456 }}'
    assert ".css" not in inline.inlined(page(imports, '<p class="tag">1'))
    with pytest.raises(InputError, match="links a style sheet"):
        inline.inlined(page("", "1", f'<link rel="stylesheet" href="{base}/c.css">'))
    assert asked == []


def test_slots_and_cuts_stand_as_they_were_in_attributes_and_text() -> None:
    body = '<a href="https://a.example/u/@@n0nce:token@@/7" title="@@n0nce:name@@">@@n0nce:rank@@</a><!--n0nce:cut:1-->'
    assert body in inline.inlined(page("i { top: 0 }", body))


def test_braces_are_rewritten_so_that_no_slot_may_be_written_with_them() -> None:
    body = '<a href="https://a.example/{{ token }}">1</a>'
    assert body not in inline.inlined(page("", body)), "slots could be written with braces: say so in the module"


@pytest.mark.parametrize("selector", ["p:not(.x)", "p:nth-child(2)"])
def test_what_can_not_be_inlined_stays_in_a_style_element(selector: str) -> None:
    made = inline.inlined(page(f"{selector} {{ color: red }}", '<p class="y">1</p><p>2</p>'))
    assert selector in made.partition("<style")[2].partition("</style>")[0]


def test_a_height_in_an_attribute_stays() -> None:
    made = inline.inlined(
        page("img { height: auto; width: 100% }", '<img src="https://a.example/i" width="9" height="9">')
    )
    assert 'width="9" height="9"' in made and "height:auto" in made


def test_what_is_important_stays_important() -> None:
    made = inline.inlined(page(".a { color: red !important }", '<p class="a">1</p>'))
    assert "color:red !important" in made
