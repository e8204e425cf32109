"""A headless Chromium, driven over its own debugging pipe. It fetches nothing but from this machine: what a page asks
of the rest of the world is answered here, from ``Browser.answers``, or not at all."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = tuple[str, bytes]  # media type, body
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run")
_HEIGHT = 800


class Browser:
    """One page of a Chromium. ``answers`` is asked for every https URL; one it answers ``None`` for fails to load and
    is kept in ``refused``."""

    def __init__(self, program: str, folder: Path) -> None:
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()
        high_in, high_out = 90, 91  # out of the way of 3 and 4, where Chromium expects its pipe

        def place() -> None:
            os.dup2(theirs_in, high_in)
            os.dup2(theirs_out, high_out)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)

        self._process = subprocess.Popen(
            [program, *_OPTIONS, "--hide-scrollbars", f"--user-data-dir={folder}", "about:blank"],
            preexec_fn=place,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._number, self._session = b"", 0, ""
        self._loaded = False
        self.answers: Callable[[str], Answer | None] = lambda _url: None
        self.refused: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Fetch.enable", patterns=[{"urlPattern": "https://*"}])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser and wait for its answer."""
        number = self._ask(method, **parameters)
        while (answer := self._read()).get("id") != number:
            pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, url: str) -> None:
        """Go to ``url`` and wait until all of it is loaded."""
        self._loaded = False
        self.refused.clear()
        self.call("Page.navigate", url=url)
        self._wait()

    def press(self, script: str) -> None:
        """Run ``script``, which leads to another page, and wait for that."""
        self._loaded = False
        self.evaluate(script)
        self._wait()

    def evaluate(self, script: str) -> Any:
        """The value of ``script`` in the page, awaited if it is a promise."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def look(self, width: int, scheme: str, height: int = _HEIGHT) -> None:
        """Be a screen of ``width`` CSS pixels, whose owner prefers the colour ``scheme``."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=True)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, width: int, height: int, top: int = 0) -> bytes:
        """A part of the page as PNG, from ``top`` down."""
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return b64decode(shot["data"])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        os.close(self._in)
        os.close(self._out)

    def _ask(self, method: str, **parameters: Any) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        return self._number

    def _wait(self) -> None:
        while not self._loaded:
            self._read()

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._in, 1 << 20)
            assert chunk, "the browser ended"
            self._buffer += chunk
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        if message.get("method") == "Page.loadEventFired":
            self._loaded = True
        elif message.get("method") == "Fetch.requestPaused":
            self._answer(message["params"]["requestId"], message["params"]["request"]["url"])
        return message

    def _answer(self, request: str, url: str) -> None:
        icon = url.endswith("/favicon.ico")  # Chromium's own wish
        found = None if icon else self.answers(url)
        if found is None:
            self.refused += [] if icon else [url]
            self._ask("Fetch.failRequest", requestId=request, errorReason="BlockedByClient")
            return
        headers = [{"name": "Content-Type", "value": found[0]}]
        body = b64encode(found[1]).decode()
        self._ask("Fetch.fulfillRequest", requestId=request, responseCode=200, responseHeaders=headers, body=body)
