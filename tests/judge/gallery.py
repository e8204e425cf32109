"""`make gallery`: draws docs/gallery, what readers see of mails and pages. News, people and pictures are invented."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from digest.app import App
from digest.mail import themes
from digest.settings import Settings
from digest.store.database import Database
from tests.conftest import KEY
from tests.judge.browser import Browser
from tests.judge.mails import Case, mail
from tests.judge.pages import every_page
from tests.judge.tools import chromium, module, needed
from tests.judge.views import show
from tests.support.served import served

FOLDER = Path(__file__).parents[2] / "docs" / "gallery"
MOST = 120_000  # bytes of a picture
PHONE, DESKTOP = 375, 720


@dataclass(frozen=True)
class Shot:
    """A picture to take of ``page``, from ``top`` down."""

    name: str
    what: str
    page: str
    width: int = PHONE
    height: int = 1000
    scheme: str = "light"
    pictures: bool = True
    top: int = 0


def shots() -> Iterator[Shot]:
    """What the gallery shows."""
    english = mail(Case(themes.BASE, "en"), "usual")
    classic, plain = english.html, mail(Case("plain", "en"), "usual").html
    arabic, hindi = (mail(Case(themes.BASE, language), "usual").html for language in ("ar", "hi"))
    yield Shot("classic", "The theme `classic`", classic, DESKTOP, 1250)
    yield Shot("classic-below", "Further down: opinion, shorts, latest news", classic, DESKTOP, 1500, top=1330)
    yield Shot("classic-dark", "Dark mode", classic, DESKTOP, 1250, "dark")
    yield Shot("classic-phone", "On a phone", classic)
    yield Shot("classic-phone-dark", "On a phone, dark mode", classic, scheme="dark")
    yield Shot("plain", "The theme `plain`: a letter rather than a newspaper", plain, DESKTOP, 1250)
    yield Shot("plain-phone-dark", "The same on a phone, dark mode", plain, scheme="dark")
    yield Shot("arabic", "Arabic, from right to left", arabic, DESKTOP, 1000)
    yield Shot("arabic-phone", "The same on a phone", arabic)
    yield Shot("hindi-phone", "Hindi", hindi)
    yield Shot("pictures-off", "Pictures off", classic, pictures=False)
    yield Shot("text", "The text part, in a terminal", _terminal(english.text), 640, 900)
    pages = _pages()
    yield Shot("archive", "The public archive", pages["archive"], DESKTOP, 940)
    yield Shot("archived-issue", "An issue in the archive", pages["archived issue"], DESKTOP, 900)
    yield Shot("sign-up", "Signing up", pages["sign-up"], height=900)
    yield Shot("preferences-dark", "Choosing sections and times, dark mode", pages["preferences"], 720, 1100, "dark")
    yield Shot("unsubscribe", "Unsubscribing", pages["unsubscribe"], height=420)


def _terminal(text: str) -> str:
    style = "margin:0;padding:16px;background:#101418;color:#d6dde4;font:13px/1.45 monospace;white-space:pre-wrap"
    return f'<!DOCTYPE html><body style="margin:0;background:#101418"><pre style="{style}">{html.escape(text)}</pre>'


def _pages() -> dict[str, str]:
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/digest.db"
        Database(url).migrate()
        settings = Settings(database_url=url, state_dir=Path(folder), base_url="https://x.example", secret_keys=(KEY,))
        app = App(settings)
        with served(app) as client:
            return every_page(app, client, "en")


def take(browser: Browser, shot: Shot) -> bytes:
    """The picture as PNG."""
    show(browser, shot.page, shot.width, shot.scheme, shot.pictures)
    browser.evaluate(_georgia())
    return browser.picture(shot.width, shot.height, shot.top)


def _georgia() -> str:
    """A script that gives the page Gelasio for Georgia, which has the same measures and may be had freely."""
    files = module("@fontsource/gelasio", "files")
    faces = "".join(
        f"@font-face {{ font-family: Georgia; font-weight: {weight}; font-style: {style}; src: url({_data(file)}) }}"
        for weight in (400, 700)
        for style in ("normal", "italic")
        for file in [files / f"gelasio-latin-{weight}-{style}.woff2"]
    )
    return f"""(async () => {{
        document.head.append(Object.assign(document.createElement('style'), {{textContent: {json.dumps(faces)}}}));
        await Promise.all([...document.fonts].map(face => face.load()));
    }})()"""


def _data(file: Path) -> str:
    return f"data:font/woff2;base64,{b64encode(file.read_bytes()).decode()}"


def _overview(pictures: Mapping[str, bytes]) -> str:
    """Three of the pictures side by side, for the README."""
    frames = "".join(
        f'<img src="data:image/png;base64,{b64encode(pictures[name]).decode()}" style="position:absolute;left:{left}px;'
        f'top:{top}px;width:{width}px;border-radius:14px;box-shadow:0 10px 40px rgba(20,30,50,.28)">'
        for name, left, top, width in (
            ("classic", 40, 40, 600),
            ("classic-phone-dark", 590, 90, 270),
            ("arabic-phone", 890, 40, 270),
        )
    )
    return f'<!DOCTYPE html><body style="margin:0;background:#dfe7ee;height:760px;overflow:hidden">{frames}'


def _small(name: str, whole: bytes) -> bytes:
    """``whole`` in few colours, as many as ``MOST`` has room for."""
    for colours in (160, 96, 64, 32):
        command = [needed("pngquant (Debian)", shutil.which("pngquant")), "--speed", "1", "--strip", str(colours), "-"]
        small = subprocess.run(command, input=whole, capture_output=True, check=True).stdout
        if len(small) < MOST:
            return small
    raise ValueError(f"{name} is too large a picture: {len(small)} bytes")


def main() -> None:
    """Draw all pictures anew, and the page that shows them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    with TemporaryDirectory() as profile:
        browser = Browser(chromium(), Path(profile))
        told = list(shots())
        pictures = {shot.name: take(browser, shot) for shot in told}
        pictures["overview"] = take(browser, Shot("overview", "", _overview(pictures), 1200, 760))
        browser.close()
    for name, whole in pictures.items():
        (FOLDER / f"{name}.png").write_bytes(_small(name, whole))
    lines = [
        "# Gallery",
        "",
        "What readers see. News, people and pictures are invented; `make gallery` draws them.",
        "",
    ]
    for shot in told:
        lines += [f"## {shot.what}", "", f"![{shot.what}]({shot.name}.png)", ""]
    (FOLDER / "README.md").write_text("\n".join(lines), encoding="utf-8")
    sizes = [file.stat().st_size for file in FOLDER.glob("*.png")]
    print(f"{len(sizes)} pictures, {sum(sizes):,} bytes, the largest {max(sizes):,}, in {FOLDER}", file=sys.stderr)


if __name__ == "__main__":
    main()
