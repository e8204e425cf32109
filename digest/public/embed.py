"""The sign-up form for a publisher's own site: as HTML to paste, or as a frame that shows ours."""

from __future__ import annotations

from html import escape

from digest.language.wording import Words
from digest.values import Edition

HONEYPOT = "website"  # people don't see this field; programs fill it in
SHORT = "short"  # a field that says: this form asks for the address only, and means all sections


def form(edition: Edition, base_url: str, words: Words) -> str:
    """A form that posts to our sign-up page. It has no mark of when it was fetched, so that page asks for one more
    press."""
    label, button, trap = (escape(words(f"sign_up.{name}")) for name in ("address", "button", "trap"))
    return f"""\
<form method="post" action="{base_url}/s/{edition.name}" accept-charset="utf-8">
  <label>{label} <input type="email" name="address" required autocomplete="email" maxlength="254"></label>
  <span style="position:absolute;left:-9999px" aria-hidden="true"><label>{trap} \
<input type="text" name="{HONEYPOT}" tabindex="-1" autocomplete="off"></label></span>
  <input type="hidden" name="{SHORT}" value="1">
  <button type="submit">{button}</button>
  <p>{escape(words("sign_up.consent", edition=edition.title))}</p>
</form>
"""


def frame(edition: Edition, base_url: str, words: Words) -> str:
    """A frame with our form, in the edition's look and complete: nothing more is asked."""
    title = escape(words("sign_up.title", edition=edition.title))
    return (
        f'<iframe src="{base_url}/s/{edition.name}/embed" title="{title}" loading="lazy" '
        'style="width:100%;height:20rem;border:0"></iframe>\n'
    )
