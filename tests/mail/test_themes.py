"""Themes, the [look] of an edition, and what a publisher may override: shown by the mail that comes of it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from lxml import html as lxml_html

from digest.app import template_folders
from digest.editions import colours
from digest.editions import file as editions
from digest.editions.dress import DARK, LIGHT, STACKS, dress
from digest.editorial import variants
from digest.errors import ConfigError, InputError
from digest.language import dates
from digest.look import Colours, Logo, Look
from digest.mail import lines, personalise, themes
from digest.values import CompiledIssue, Edition
from tests.editions.test_file import FILE, HEAD
from tests.support import samples
from tests.support.samples import EDITION

THEMES = ("classic", "plain")
LOCALES = ("es", "fr", "de", "pt", "hi", "ar")


def page(compiled: CompiledIssue) -> str:
    variant = variants.choose(compiled.content, None, None)
    return unescape(personalise.web_page(compiled, variant, "TOKEN", address="reader@example.org"))


def of(edition: Edition = EDITION, *folders: Path, look: Look | None = None) -> str:
    return page(samples.compiled(samples.content(replace(edition, look=look or edition.look)), folders))


def put(folder: Path, name: str, text: str) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def looking(table: str) -> Look:
    return editions.parse(FILE.replace(HEAD, f"{HEAD}\n[look]\n{table}\n"), "edition.toml", THEMES).look


def test_what_is_changed_in_a_theme_holds_in_workers_that_run_already(tmp_path: Path) -> None:
    running = themes.environment((tmp_path, *template_folders(None)))
    dressed: Any = running.globals["dressed"]
    texts: Any = running.globals["texts"]
    tabloid = replace(EDITION, look=Look("tabloid"))
    with pytest.raises(InputError, match="no theme 'tabloid'"):
        dressed(tabloid)
    for number, accent in enumerate(("#d50000", "#00796b")):
        put(tmp_path, "themes/tabloid/theme.toml", f'accent = "{accent}"')
        put(tmp_path, "themes/tabloid/strings.toml", f'[en]\nunsubscribe = "Enough {number}"')
        for path in (tmp_path / "themes" / "tabloid").iterdir():
            os.utime(path, (number, number))
        assert dressed(tabloid).light.accent == accent
        assert texts("en")["unsubscribe"] == f"Enough {number}"


def test_a_publisher_says_how_their_edition_looks() -> None:
    look = looking(
        """
        theme = "plain"
        accent = "#C2185B"
        paper = "#fffaf0"
        headings = "mono"
        text = ["Source Sans 3", "Arial", "sans-serif"]
        logo = { url = "https://world.example/logo.png", width = 240, height = 48, alt = "The World" }
        dark = { accent = "#ff80ab" }
        """
    )
    assert look == Look(
        "plain",
        Colours(accent="#c2185b", paper="#fffaf0"),
        Colours(accent="#ff80ab"),
        STACKS["mono"],
        ("Source Sans 3", "Arial", "sans-serif"),
        Logo("https://world.example/logo.png", 240, 48, "The World"),
    )
    text = of(look=look)
    assert '<img class="logo" src="https://world.example/logo.png" alt="The World" width="240" height="48"' in text
    assert 'font-family:"Source Sans 3", Arial' in text
    assert "Menlo" in text
    assert "background:#fffaf0" in text
    assert "#c2185b" in text


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('accent = "blue"', r"\[look\] accent: 'blue' must be a colour such as #0b5394"),
        ('accent = "#12345"', r"\[look\] accent: '#12345' must be a colour"),
        ('ink = "#999999"', r"\[look\]: ink #999999 on paper #ffffff has a contrast of 2.8 to 1: text needs 4.5"),
        ('dark = { ink = "#333333" }', r"\[look\] dark: ink #333333 on paper #16191d has a contrast of 1.4 to 1"),
        ('headings = "comic"', r"\[look\] headings: 'comic' is not a set of fonts: there are serif, old-style, sans"),
        ('text = ["Futura"]', r"\[look\] text: a list of fonts must end with one of serif, sans-serif"),
        ('text = ["x\'; color: red", "serif"]', r"\[look\] text 0: .* must be a font's name"),
        ("text = []", r"\[look\] text: Value should have at least 1 item"),
        (
            'logo = { url = "logo.png", width = 9, height = 48 }',
            r"\[look\] logo url: 'logo.png' is not a valid http\(s\) URL",
        ),
        ('logo = { url = "logo.png", width = 9, height = 48 }', r"\[look\] logo width: .*greater than or equal to 16"),
        ('logo = { url = "https://a.example/a.png", widht = 90 }', r"logo widht: unknown key; did you mean width\?"),
        ('theme = "fancy"', r"\[look\] theme: there is no theme 'fancy'; there are classic, plain"),
        ('tagline = "x"', r"\[look\] tagline: unknown key; it belongs under \[edition\]"),
    ],
)
def test_what_can_t_be_is_told_with_its_place(table: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        looking(table)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        looking('accent = "red"\ntheme = "fancy"\nheadings = "comic"')
    places = {fault.partition(":")[0] for fault in told.value.faults}
    assert places == {"[look] headings", "[look] accent", "[look] theme"}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("accent", ["#ffe000", "#0b5394", "#b3261e", "#ffffff", "#000000", "#00ff88"])
def test_every_text_can_be_read_whatever_the_accent(accent: str, theme: str) -> None:
    environment = themes.environment(template_folders(None))
    dressed: Any = environment.globals["dressed"]
    made = dressed(replace(EDITION, look=Look(theme, Colours(accent=accent))))
    for shades in (made.light, made.dark):
        for ground in (shades.paper, shades.ground, shades.tint):
            for text in (shades.ink, shades.body, shades.soft, shades.accent):
                assert colours.contrast(text, ground) >= 4.5
        assert colours.contrast(shades.on_accent, shades.accent) >= 4.5


def test_a_colour_keeps_its_hue_when_it_is_made_readable() -> None:
    assert colours.readable("#b3261e", "#ffffff") == "#b3261e"
    red, green, blue = (int(colours.readable("#b3261e", "#16191d")[at : at + 2], 16) for at in (1, 3, 5))
    assert red > 200 > green > blue
    assert colours.on("#ffcc00") == "#000000"
    assert colours.on("#0b5394") == "#ffffff"


def test_an_edition_that_says_nothing_is_dressed_all_the_same() -> None:
    made = dress(Look())
    assert (made.light.accent, made.light.paper, made.dark.paper) == (LIGHT.accent, LIGHT.paper, DARK.paper)
    assert made.headings.css == "Georgia,serif"
    assert made.headings.word == "Georgia,serif"


def test_a_plain_mail_has_one_picture_and_one_typeface() -> None:
    text = of(look=Look("plain"))
    assert text.count("<img") == 1
    assert "Arial" not in text.partition("<body")[2]
    assert text.count("<h3") == of().count("<h3")


def test_one_small_file_changes_one_block_in_every_theme_or_in_one(tmp_path: Path) -> None:
    put(tmp_path, "footer.html.j2", "<p>Printed on the back of {{ edition.title }}</p>")
    put(tmp_path, "themes/plain/shorts.html.j2", "<tr><td>!{{ item.title }}</td></tr>")
    put(tmp_path, "own.css.j2", ".big { letter-spacing: 1px }")
    for theme in THEMES:
        text = of(EDITION, tmp_path, look=Look(theme))
        assert "Printed on the back of The Harbour Post" in text
        assert re.search(r'class="big" style=[^>]*letter-spacing:1px', text)
        assert ("!Monsoon leaves" in text) == (theme == "plain")
        assert "Nine coastal states" in text


def test_a_theme_of_one_s_own_is_a_folder_and_takes_the_rest_from_classic(tmp_path: Path) -> None:
    put(tmp_path, "themes/tabloid/theme.toml", 'accent = "#d50000"\nheadings = "humanist"')
    put(tmp_path, "themes/tabloid/masthead.html.j2", "<h1>{{ edition.title|upper }}!</h1>")
    put(tmp_path, "themes/tabloid/strings.toml", '[en]\nunsubscribe = "Enough"')
    folders = [tmp_path, *template_folders(None)]
    assert themes.themes(folders) == ["classic", "plain", "tabloid"]
    text = of(EDITION, tmp_path, look=Look("tabloid"))
    assert "<h1>THE HARBOUR POST!</h1>" in text
    assert "#d50000" in text
    assert "Seravek" in text
    assert "Enough" in text
    put(tmp_path, "themes/tabloid/theme.toml", 'accent = "red"')
    with pytest.raises(InputError, match=r"theme.toml: accent: .*'red' must be a colour"):
        of(EDITION, tmp_path, look=Look("tabloid"))
    with pytest.raises(InputError, match="there is no theme 'gone'"):
        of(look=Look("gone"))


@pytest.mark.parametrize("theme", THEMES)
def test_numerals_and_directions_are_the_reader_s(theme: str) -> None:
    compiled = samples.compiled(samples.content(replace(EDITION, locale="ar_EG", look=Look(theme))))
    text = page(compiled)
    assert lxml_html.document_fromstring(text).xpath("//body/table/@dir") == ["rtl"]
    assert [rank for rank in "١٢٣٤٥" if re.search(rf">{rank}[.<]", text)] == list("١٢٣٤٥")
    assert "٢٣ نوفمبر ٢٠٢٦" in text
    assert '<span dir="ltr">Nine coastal states' in text
    assert "<span dir=" not in of(look=Look(theme)).partition("<body")[2]


def test_a_list_is_joined_as_the_language_joins_it() -> None:
    assert dates.listed(["A", "B", "C"], "en_GB") == "A, B and C"
    assert dates.listed(["A", "B"], "de") == "A und B"
    assert dates.numerals("2026", "mr_IN") == "२०२६"
    assert dates.numerals("2026", "hi") == "2026"


def test_what_is_of_today_has_its_hour_and_what_is_older_its_day() -> None:
    def told(at: datetime) -> str:
        return dates.lately(at, samples.NOW, "en_GB", "UTC")

    assert told(samples.NOW.replace(hour=0)) == "00:30"
    assert told(samples.NOW.replace(day=22)) == "22 Nov, 01:30"
    assert told(samples.NOW.replace(year=2025)) == "23 Nov 2025, 01:30"


def test_a_paragraph_flows() -> None:
    text = "word " * 40 + "> quoted From here https://example.org/" + "x" * 90
    filled = lines.flowed(text)
    rows = filled.split("\n")
    assert all(row.endswith(" ") for row in rows[:-1])
    assert all(len(row) <= 76 or "https" in row for row in rows)
    assert not any(row.startswith((">", "From ")) for row in rows)
    assert " ".join(row.strip() for row in rows) == text
    assert lines.flowed("a b") == "a b"
    assert lines.underlined("長い") == "長い\n----"


@pytest.mark.parametrize(
    ("locale", "direction", "words"),
    [
        ("es_MX", "ltr", "Darse de baja"),
        ("de-DE", "ltr", "Abbestellen"),
        ("pt_BR", "ltr", "Cancelar assinatura"),
        ("fr", "ltr", "Se désabonner"),
        ("hi_IN", "ltr", "सदस्यता समाप्त करें"),
        ("ar", "rtl", "إلغاء الاشتراك"),
        ("he_IL", "rtl", "Unsubscribe"),
        ("fa", "rtl", "Unsubscribe"),
        ("ur_PK", "rtl", "Unsubscribe"),
    ],
)
def test_the_frame_speaks_the_edition_s_language(locale: str, direction: str, words: str) -> None:
    compiled = samples.compiled(samples.content(replace(EDITION, locale=locale)))
    text = page(compiled)
    document: Any = lxml_html.document_fromstring(text)
    assert (document.get("lang"), document.get("dir")) == (locale.replace("_", "-"), direction)
    assert words in text
    assert dates.day(samples.NOW, locale, EDITION.time_zone) in " ".join(document.text_content().split())


@pytest.mark.parametrize(
    ("locale", "zone", "written"),
    [
        ("en_IN", "Asia/Kolkata", "4 Nov 2024, 15:45 IST"),
        ("en_US", "America/New_York", "Nov 4, 2024, 05:15 EST"),
        ("de_DE", "Europe/Berlin", "4. Nov. 2024, 11:15 CET"),
        ("pt_BR", "America/Sao_Paulo", "4 de nov. de 2024 07:15 UTC-03"),
        ("xx_XX", "UTC", "Nov 4, 2024, 10:15 UTC"),
    ],
)
def test_times_are_the_edition_s_own(locale: str, zone: str, written: str) -> None:
    assert dates.moment(datetime(2024, 11, 4, 10, 15, tzinfo=UTC), locale, zone) == written


@pytest.mark.parametrize("ground", ["#ffffff", "#16191d"])
@pytest.mark.parametrize("colour", ["#ffe000", "#000", "#0b5394", "#b3261e", "#ffffff", "#808080"])
def test_an_accent_is_made_readable(colour: str, ground: str) -> None:
    def luminance(hexed: str) -> float:
        channels = [int(hexed[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(colours.readable(colour, ground)), luminance(ground)))
    assert (high + 0.05) / (low + 0.05) >= 4.5
