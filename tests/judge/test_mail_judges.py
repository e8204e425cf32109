"""Other people's programs judge our mail: a Node MIME parser, the W3C's HTML checker, a browser.

Run by ``make judge``, which installs what comes from npm; each test says what it misses when it can't run.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from digest import personalise, variants
from digest.values import Reader
from tests import samples

pytestmark = pytest.mark.judge
MODULES = Path(os.environ.get("JUDGE_MODULES", Path(__file__).parents[2] / "build" / "judge" / "node_modules"))
# What mail needs and the web doesn't: Outlook reads this property and nothing else hides a preheader there.
MAIL_ISMS = re.compile("CSS: “mso-hide”: Property “mso-hide” doesn't exist.")
READER = Reader(7, 41, "reader@example.org", "Zoë Ångström")


def _mail(locale: str = "en_IN") -> bytes:
    compiled = samples.compiled(samples.content(replace(samples.EDITION, locale=locale)))
    variant = variants.choose(compiled.content, None, None)
    press = personalise.Press(compiled, (("a", b"k" * 32),), "bounces.example.org", 90_000)
    return press.message(variant, READER, samples.NOW).message


def _html(locale: str = "en_IN") -> str:
    body = message_from_bytes(_mail(locale), policy=policy.default).get_body(("html",))
    assert body is not None
    text: str = body.get_content()
    return text


def _needed(tool: str, path: str | Path | None) -> str:
    if not path or not Path(path).exists():
        pytest.skip(f"{tool} is not installed; `make judge` says how to get it")
    return str(path)


def test_mailparser_reads_what_was_meant(tmp_path: Path) -> None:
    node = _needed("node", shutil.which("node"))
    _needed("mailparser (npm)", MODULES / "mailparser")
    (tmp_path / "mail.eml").write_bytes(_mail())
    script = (
        "require('mailparser').simpleParser(require('fs').readFileSync(process.argv[1]))"
        ".then(m => console.log(JSON.stringify({subject: m.subject, to: m.to.value, from: m.from.value,"
        " list: m.headers.get('list'), id: m.messageId, text: m.text, html: m.html, files: m.attachments.length})))"
    )
    done = subprocess.run(
        [node, "-e", script, str(tmp_path / "mail.eml")],
        env={**os.environ, "NODE_PATH": str(MODULES)},
        capture_output=True,
        check=True,
    )
    read: dict[str, Any] = json.loads(done.stdout)
    item = samples.content().items[1]
    assert read["subject"] == f"{item.title} (and 27 more)"
    assert read["to"] == [{"address": "reader@example.org", "name": "Zoë Ångström"}]
    assert [one["address"] for one in read["from"]] == ["post@news.example.org"]
    assert read["list"]["unsubscribe"]["url"].startswith("https://news.example.org/u/")
    assert read["list"]["id"]["id"] == "harbour-morning.news.example.org"
    assert read["files"] == 0
    assert item.standfirst in read["text"]
    assert html.unescape(read["html"]).count("Unsubscribe") >= 1


@pytest.mark.parametrize("locale", ["en_IN", "ar"])
def test_the_html_checker_finds_no_error(locale: str, tmp_path: Path) -> None:
    java = _needed("java", shutil.which("java"))
    jar = _needed("vnu-jar (npm)", MODULES / "vnu-jar" / "build" / "dist" / "vnu.jar")
    (tmp_path / "mail.html").write_text(_html(locale), encoding="utf-8")
    done = subprocess.run(
        [java, "-jar", jar, "--errors-only", "--format", "json", str(tmp_path / "mail.html")],
        capture_output=True,
        check=False,
    )
    told = [message["message"] for message in json.loads(done.stderr)["messages"]]
    assert [message for message in told if not MAIL_ISMS.search(message)] == []


_LOOK = """
const frame = document.querySelector('iframe'), doc = frame.contentDocument, out = {poor: [], wide: 0, seen: 0};
const rgb = s => (s.match(/[\\d.]+/g) || []).map(Number);
const lum = c => { const [r, g, b] = c.slice(0, 3).map(v => v / 255).map(
  v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = e => { for (; e; e = e.parentElement) {
  const c = rgb(frame.contentWindow.getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; }
  return [255, 255, 255]; };
const walk = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) { const e = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || !e.getClientRects().length) continue;
  const style = frame.contentWindow.getComputedStyle(e), a = lum(rgb(style.color)), b = lum(ground(e));
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); out.seen++;
  if (contrast < 4.5) out.poor.push([walk.currentNode.data.trim().slice(0, 40), contrast.toFixed(2)]); }
out.wide = doc.documentElement.scrollWidth;
document.body.innerHTML = '<pre>' + JSON.stringify(out).replace(/</g, '') + '</pre>';
"""


@pytest.mark.parametrize("locale", ["en_IN", "ar"])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("styled", [True, False])
@pytest.mark.parametrize("width", [375, 800])
def test_a_browser_shows_it_readably(width: int, dark: bool, styled: bool, locale: str, tmp_path: Path) -> None:
    chromium = _needed("chromium (Debian)", "/usr/bin/chromium")
    page = _html(locale)
    if not styled:  # as clients that drop <style> show it
        page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    size = f"width:{width}px;height:6000px;border:0"
    (tmp_path / "look.html").write_text(
        f'<iframe style="{size}" srcdoc="{html.escape(page)}"></iframe><script>onload = () => {{{_LOOK}}}</script>',
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=900,6000", "--dump-dom"),
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"file://{tmp_path / 'look.html'}",
        ],
        capture_output=True,
        check=True,
        timeout=90,
    )
    found = re.search(r"<pre>(.*)</pre>", done.stdout.decode(), re.DOTALL)
    assert found, done.stderr[-500:]
    seen = json.loads(html.unescape(found[1]))
    assert seen["seen"] > 100
    assert seen["wide"] <= width, "nothing sticks out to the side"
    assert seen["poor"] == []
