"""The sign-up form on other people's pages: only where the operator lets it, and a short form means all sections."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree
from pydantic import ValidationError

from digest.flows.readers import signup
from digest.settings import Settings, WebSettings
from digest.states import SubscriptionState
from tests.cli.test_common import run
from tests.support.served import served
from tests.support.world import EDITION, World, small_world

PAGES = ("https://www.tide.example", "https://*.ebb.example:8443")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("origins", [(), PAGES])
def test_the_form_can_be_framed_where_the_operator_says_and_nothing_else_anywhere(
    settings: Settings, origins: tuple[str, ...]
) -> None:
    web = WebSettings(embed_origins=origins)
    for world in small_world(settings.model_copy(update={"web": web})):
        with served(world.app) as site:
            form, answer = site.get("/s/tide/embed"), site.post("/s/tide", data={"address": "x"})
            for page in (form, answer):
                policy = page.headers["content-security-policy"].split("; ")
                assert f"frame-ancestors {' '.join(origins) or chr(39) + 'none' + chr(39)}" in policy
                assert ("x-frame-options" in page.headers) is not bool(origins)
                assert "default-src 'none'" in policy
            for path in ("/p/x", "/u/x", "/c/x", "/a/tide", "/nowhere"):
                assert "frame-ancestors 'none'" in site.get(path).headers["content-security-policy"], path
                assert site.get(path).headers["x-frame-options"] == "DENY"
            assert site.get("/s/none/embed").status_code == site.get("/s/%00/embed").status_code == 404


def filled(page: str) -> dict[str, str]:
    """What a browser would post of the form, its boxes ticked as they stand."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)) | {
        "sections": re.findall(r'name="sections" value="(\w+)" checked', page)
    }


def test_a_short_form_signs_up_for_all_sections(world: World) -> None:
    with served(world.app) as site:
        form = site.get("/s/tide/embed")
        assert 'action="../tide"' in form.text and form.headers["cache-control"] == "no-store"
        world.later(seconds=5)
        answer = site.post("/s/tide", data={"address": "ann@x.example", **filled(form.text)})
        assert (answer.status_code, "Look into your mailbox" in answer.text) == (200, True)
    signup.answer(world.app.database, world.app.settings.sign_up, world.app.now())
    found = world.subscription("ann@x.example")
    assert (found.state, found.choice.sections) == (SubscriptionState.PENDING, None)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_printed_form_is_what_the_sign_up_page_takes(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.edition(EDITION.replace('"The Tide"', "'The <b>\"Tide'").replace('locale = "en"', 'locale = "de"'))
    settings = world.app.settings
    config = tmp_path / "digest.toml"
    key = settings.secret_keys[0].get_secret_value()
    url = settings.database_url.replace("+psycopg", "")
    config.write_text(f'database_url = "{url}"\nsecret_keys = ["{key}"]\nbase_url = "https://news.example.org"\n')

    def printed(*options: str) -> tuple[str, str]:
        assert run("--config", str(config), "edition", "embed", "tide", *options) == 0
        return capsys.readouterr()

    form, told = printed()
    page = etree.HTML(form)
    assert page.xpath("//form/@action") == ["https://news.example.org/s/tide"] and page.xpath("//b") == [] and not told
    assert {field.get("name"): field.get("value") for field in page.iter("input")} == {
        "address": None,
        "website": None,
        "short": "1",
    }
    assert "E-Mail-Adresse" in form
    frame, told = printed("--frame")
    assert 'src="https://news.example.org/s/tide/embed"' in frame and "embed_origins" in told


def test_a_form_of_somebody_elses_page_takes_one_more_press(world: World) -> None:
    with served(world.app) as site:
        first = site.post("/s/tide", data={"address": "ann@x.example", "short": "1"}, headers={"Origin": PAGES[0]})
        assert "Look into your mailbox" not in first.text and 'value="ann@x.example"' in first.text
        world.later(seconds=5)
        site.post("/s/tide", data={"address": "ann@x.example", **filled(first.text)})
    signup.answer(world.app.database, world.app.settings.sign_up, world.app.now())
    assert world.subscription("ann@x.example").choice.sections is None


@pytest.mark.parametrize(
    "origin", ["*", "https://x.example/path", "x.example", "'self'", "https://a.example; script-src *"]
)
def test_only_origins_may_be_named(origin: str) -> None:
    with pytest.raises(ValidationError, match="must be a site"):
        WebSettings(embed_origins=(origin,))
