"""The catalogues: complete in every language, with the plural forms it has, and found by one rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel import Locale
from typer.testing import CliRunner

from digest import cli
from digest.app import template_folders
from digest.cli.common import Door
from digest.errors import InputError
from digest.language import wording
from digest.language.wording import Text, Words
from digest.values import Counted, Kind
from tests.mail.test_themes import LOCALES
from tests.support.world import EDITION

STRINGS = wording.read(template_folders(None))
NUMBERS = range(2_000)
COUNTING = [name for name, text in STRINGS["en"].items() if isinstance(text, Counted)]


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def holes(text: str) -> list[str]:
    return sorted(re.findall(r"\{\w*\}", text))


def forms(text: Text) -> dict[str, str]:
    return dict(text.forms) if isinstance(text, Counted) else {"other": text}


def table(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("locale", LOCALES)
def test_mails_and_pages_say_everything_in_every_language(locale: str) -> None:
    own, english = STRINGS[locale], STRINGS["en"]
    assert own.keys() == english.keys()
    for name in english:
        assert holes(forms(own[name])["other"]) == holes(forms(english[name])["other"]), name
    for heading in {table(name) for name in english}:
        names = [name for name in english if table(name) == heading]
        alike = [name for name in names if own[name] == english[name]]
        assert len(alike) <= max(1, len(names) // 8), (heading, alike)


def test_every_kind_of_article_has_a_name() -> None:
    assert set(Kind) <= set(wording.of_mails(STRINGS)["en"])


def test_all_that_counts_has_forms() -> None:
    assert {"mail.and_more", "archive.count"} <= set(COUNTING)
    for locale, strings in STRINGS.items():
        assert [name for name, text in strings.items() if isinstance(text, str) and "{count}" in text] == [], locale


@pytest.mark.parametrize("locale", ["en", *LOCALES])
@pytest.mark.parametrize("name", COUNTING)
def test_what_counts_has_the_plural_forms_of_its_language(locale: str, name: str) -> None:
    text, rule = STRINGS[locale][name], Locale(locale).plural_form
    assert isinstance(text, Counted)
    assert text.forms.keys() == rule.tags | {"other"}
    english = holes(forms(STRINGS["en"][name])["other"])
    for category, said in text.forms.items():
        numbers = [number for number in NUMBERS if rule(number) == category]
        without_number = [hole for hole in english if hole != "{count}"]
        allowed = [english, without_number] if len(numbers) == 1 and locale == "ar" else [english]
        assert holes(said) in allowed, (category, said)


def test_a_number_takes_the_form_of_the_language_that_says_it(tmp_path: Path) -> None:
    put(tmp_path, "strings/fa.toml", '[archive]\nall = "همه"')
    strings = wording.read([tmp_path, *template_folders(None)])
    assert [Words(strings, "fr")("archive.count", count=n) for n in (0, 1, 2)] == [
        "0 article trouvé",
        "1 article trouvé",
        "2 articles trouvés",
    ]
    assert Words(strings, "fa")("archive.count", count=0) == "0 stories found", "English words, English rule"
    assert Words(strings, "ar")("archive.count", count=2) == "عُثر على خبرين"


def test_a_locale_falls_back_to_its_language_and_then_to_english(tmp_path: Path) -> None:
    put(tmp_path, "strings/pt-PT.toml", '[unsubscribe]\ntitle = "Sair"')
    put(tmp_path, "strings/eo.toml", '[unsubscribe]\ntitle = "Malaboni"')
    strings = wording.read([tmp_path, *template_folders(None)])
    assert [Words(strings, locale)("unsubscribe.title") for locale in ("pt-PT", "pt_PT", "eo", "xx")] == [
        "Sair",
        "Sair",
        "Malaboni",
        "Unsubscribe",
    ]
    assert Words(strings, "pt-PT")("problem.often") == STRINGS["pt"]["problem.often"]
    assert Words(strings, "eo")("problem.often") == STRINGS["en"]["problem.often"]
    assert [Words(strings, locale).language for locale in ("pt-PT", "pt-BR", "xx")] == ["pt_PT", "pt", "en"]


def test_the_places_from_before_are_still_read_and_the_new_one_wins(tmp_path: Path) -> None:
    put(tmp_path, "strings.toml", '[it]\nunsubscribe = "Addio"\nnews = "Nuove"\n[en]\nand_more = "+{count}"')
    put(tmp_path, "web/strings/it.toml", '[reason]\nother = "Altro"')
    put(tmp_path, "strings/it.toml", '[mail]\nnews = "Notizie"')
    strings = wording.read([tmp_path, *template_folders(None)])
    mails = wording.merged(wording.of_mails(strings), "it-CH")
    assert (mails["unsubscribe"], mails["news"]) == ("Addio", "Notizie")
    assert wording.form(mails["and_more"], 1) == "+{count}", "plain text serves every number"
    assert Words(strings, "it")("reason.other") == "Altro", "a heading is no plural"
    assert "archive.all" not in wording.of_pages(strings)["it"]


def test_a_language_of_mails_alone_is_none_of_pages(tmp_path: Path) -> None:
    put(tmp_path, "strings.toml", '[it]\nunsubscribe = "Addio"')
    strings = wording.read([tmp_path, *template_folders(None)])
    assert "it" in wording.of_mails(strings)
    assert "it" not in wording.of_pages(strings)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[mail", "correct the TOML"),
        ('unsubscribe = "Addio"', "under a heading"),
        ('[mail]\nand_more = { one = "e uno" }', "mail.and_more has no form `other`"),
    ],
)
def test_a_catalogue_that_can_t_be_read_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    put(tmp_path, "strings/it.toml", text)
    with pytest.raises(InputError) as refused:
        wording.read([tmp_path])
    assert fault in f"{refused.value} {refused.value.hint}"


def test_the_operator_is_told_what_will_be_english(tmp_path: Path) -> None:
    assert [wording.untranslated(STRINGS, locale) for locale in ("en-GB", "pt-BR", "ar")] == ["", "", ""]
    assert "all words of mails and pages" in wording.untranslated(STRINGS, "it-IT")
    put(tmp_path, "strings.toml", '[it]\nunsubscribe = "Addio"')
    told = wording.untranslated(wording.read([tmp_path, *template_folders(None)]), "it-IT")
    assert "all words of pages" in told
    assert "of mails web_version, and_more," in told
    assert "unsubscribe" not in told


def test_an_edition_is_checked_for_them_without_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "edition.toml"
    file.write_text(EDITION.replace('locale = "en"', 'locale = "it-IT"'), encoding="utf-8")
    result = CliRunner().invoke(cli.app, ["edition", "check", str(file)], obj=Door(config=tmp_path / "none.toml"))
    assert result.exit_code == 0, result.output
    assert "all words of mails and pages" in result.output
