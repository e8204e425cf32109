"""What the judges look at and the gallery shows is made in every ``make test``, without any of the judges."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from digest.mail import themes
from tests.judge import gallery, mails, scenes


@pytest.mark.parametrize("subject", ["face", "turbines", "stars"])
def test_a_scene_is_drawn_and_is_always_the_same(subject: str) -> None:
    drawn = scenes.picture(f"{subject}-1")
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert drawn == scenes.picture(f"{subject}-1")


@pytest.mark.parametrize("theme", mails.THEMES)
def test_a_hard_day_s_mail_can_be_made_in_each_theme(theme: str) -> None:
    made = mails.mail(mails.Case(theme, "ar"), "hard")
    assert 'dir="rtl"' in made.html and "Donaudampfschifffahrt" in made.html
    assert made.size < mails.BUDGET


def test_the_style_sheet_can_be_looked_at_before_and_after_inlining() -> None:
    before, after = mails.inlining(mails.Case(themes.BASE, "en"))
    assert after.count('style="') > before.count('style="')


def test_every_picture_of_the_gallery_has_its_page_and_stands_there() -> None:
    shots = list(gallery.shots())
    for shot in shots:
        assert "</" in shot.page, shot.name
    drawn = {file.stem for file in gallery.FOLDER.glob("*.png")}
    assert drawn == {shot.name for shot in shots} | {"overview"}
