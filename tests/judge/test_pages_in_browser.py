"""The readers' pages in Chromium, driven over its own debugging pipe: they work, fit, and can be read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from digest import tokens
from digest.app import App
from digest.flows import signup
from digest.states import SubscriptionState
from digest.store.subscribers import Choice

from ..test_web import _found, _mark, on_sqlite, reader, site, token

pytestmark = [pytest.mark.judge, on_sqlite]
__all__ = ["reader", "site", "token"]  # fixtures of the pages' own tests

# Every text against the first background behind it that is not transparent: the lowest WCAG 2 ratio, with the text.
CONTRAST = """(() => {
  const numbers = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = numbers(c).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (numbers(c)[3] !== 0) return c } return 'rgb(255, 255, 255)' };
  const texts = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() &&
    [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return texts.map(e => { const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.trim().slice(0, 40)] })
    .sort((a, b) => a[0] - b[0])[0] })()"""
UNNAMED = "[...document.querySelectorAll('input, select')].filter(e => !e.labels.length).map(e => e.name)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Browser:
    """One page of a headless Chromium."""

    def __init__(self, program: str, folder: Path) -> None:
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()
        high_in, high_out = 90, 91  # out of the way of 3 and 4, where Chromium expects its pipe

        def place() -> None:
            os.dup2(theirs_in, high_in)
            os.dup2(theirs_out, high_out)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)

        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]
        self._process = subprocess.Popen(
            [program, *options, f"--user-data-dir={folder}", "about:blank"],
            preexec_fn=place,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._number, self._session = b"", 0, ""
        self._events: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self._events.append(answer.get("method", ""))
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, url: str) -> None:
        self._events.clear()
        self.call("Page.navigate", url=url)
        self._loaded()

    def press(self, script: str) -> None:
        """Run ``script``, which leads to another page, and wait for that."""
        self._events.clear()
        self.evaluate(script)
        self._loaded()

    def evaluate(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def look(self, width: int, scheme: str) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        os.close(self._in)
        os.close(self._out)

    def _loaded(self) -> None:
        while "Page.loadEventFired" not in self._events:
            self._events.append(self._read().get("method", ""))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._in, 65536)
            assert chunk, "the browser ended"
            self._buffer += chunk
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        return message


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    browser = Browser(program, tmp_path / "profile")
    yield browser
    browser.close()


def test_a_reader_finds_his_way_from_signing_up_to_leaving(app: App, site: httpx.Client, browser: Browser) -> None:
    base = str(site.base_url)
    browser.open(f"{base}/s/morning")
    browser.evaluate("document.querySelector('#address').value = 'bob@example.org'")
    browser.evaluate("document.querySelector('[value=rail]').click()")
    browser.evaluate(f"document.querySelector('[name=mark]').value = '{_mark(app)}'")
    browser.press("document.querySelector('form button').click()")
    signup.answer(app.database, app.settings.sign_up, app.now())
    assert "Look into your mailbox" in browser.evaluate("document.body.innerText")
    found = _found(app, "bob@example.org")
    assert found and found.state is SubscriptionState.PENDING
    assert found.choice == Choice("daily", ("sea",))

    browser.open(f"{base}/c/{tokens.confirm(app.settings.keys, found.id, app.now())}")
    browser.press("document.querySelector('button').click()")
    browser.press("document.querySelector('main a').click()")
    browser.evaluate("document.querySelector('[value=weekly]').click(); document.querySelector('#hour').value = '7'")
    browser.press("document.querySelector('form button').click()")
    assert browser.evaluate("document.querySelector('[value=weekly]').checked")
    found = _found(app, "bob@example.org")
    assert found and (found.state, found.choice) == (SubscriptionState.ACTIVE, Choice("weekly", ("sea",), 7))

    browser.press("document.querySelector('button.second').click()")
    assert "You are unsubscribed" in browser.evaluate("document.body.innerText")
    browser.press("document.querySelector('main a').click()")
    assert browser.evaluate("location.pathname") == "/s/morning"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 800])
def test_pages_fit_and_can_be_read(
    app: App, site: httpx.Client, token: str, browser: Browser, width: int, scheme: str
) -> None:
    browser.look(width, scheme)
    for path in (f"/u/{token}", f"/p/{token}", "/s/morning", "/nowhere"):
        browser.open(f"{site.base_url}{path}")
        assert browser.evaluate(OVERFLOW) <= 0, path
        assert browser.evaluate(UNNAMED) == [], path
        ratio, text = browser.evaluate(CONTRAST)
        assert ratio >= 4.5, (path, text)
        assert browser.evaluate("document.documentElement.lang") == "en"
