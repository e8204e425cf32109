"""Settings of the readers' pages: where they listen, and what holds robots off the sign-up form."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from digest.settings.part import _Part

_ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")  # as frame-ancestors takes it


class WebSettings(_Part):
    """Where ``digest web`` listens. ``forwarded_allow_ips``: the addresses of proxies that are believed what they say
    of a visitor's own address, or ``*`` where nobody else can connect; nobody is unless named here. ``embed_origins``:
    whose pages may show the sign-up form in a frame. Searches of the archive a minute, from one visitor (an IPv4
    address, an IPv6 /64) and over all; 0: no limit."""

    host: Annotated[str, Field(description="The address to listen on. `0.0.0.0` is all of them.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="The port to listen on.")] = 8025
    forwarded_allow_ips: Annotated[
        str,
        Field(
            description="Addresses of proxies, separated by commas, whose X-Forwarded-For is believed; `*` where "
            "nobody else can connect. Empty: nobody's."
        ),
    ] = ""
    embed_origins: Annotated[
        tuple[str, ...],
        Field(description="Sites whose pages may show the sign-up form in a frame, such as `https://www.example.org`."),
    ] = ()
    visitor_searches_per_minute: Annotated[
        int,
        Field(
            ge=0,
            description="Searches of the archive per minute from one visitor (an IPv4 address or an IPv6 /64). 0: no "
            "limit.",
        ),
    ] = 20
    searches_per_minute: Annotated[
        int, Field(ge=0, description="Searches of the archive per minute from all visitors. 0: no limit.")
    ] = 300

    @field_validator("embed_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} must be a site such as https://www.example.org or https://*.example.org")
        return origins


class CaptchaSettings(_Part):
    """A proof that a person signs up; off without ``check``: a Python callable as ``module:function``, given the posted
    fields and the visitor's address and answering whether they pass, or the URL of a service that verifies what the
    browser put into ``field`` (the ``siteverify`` of the usual ones). ``html`` goes into the form, ``sources`` are
    where its scripts and frames come from."""

    check: Annotated[
        str,
        Field(
            pattern=r"^(|https://\S+|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$",
            description="What verifies the proof: a Python callable as `module:function`, or the https URL of a "
            "`siteverify` service. Empty: no captcha.",
        ),
    ] = ""
    field: Annotated[str, Field(description="The form field that the browser puts the proof into.")] = "captcha"
    secret: Annotated[SecretStr, Field(description="The secret that the verifying service knows you by.")] = SecretStr(
        ""
    )
    html: Annotated[str, Field(description="HTML that is put into the form.")] = ""
    sources: Annotated[
        tuple[Annotated[str, Field(pattern=r"^https://[a-zA-Z0-9.*:-]+$")], ...],
        Field(description="Where its scripts and frames come from: https origins."),
    ] = ()


class SignUpSettings(_Part):
    """What holds robots off the sign-up form. Sign-ups an hour from one visitor (an IPv4 address, an IPv6 /64), from
    their network (/24, /48), of one address, of one recipient domain, and over all (of these two a quarter is kept for
    networks nobody signed up from in the last hour); 0: no limit. ``mails_per_week``: sign-ups of one address in seven
    days that lead to a mail. ``remind_after_hours``: one reminder to who did not confirm (0: none). ``form_seconds``:
    who fills the form in faster is asked to press once more (0: not looked at)."""

    visitor_per_hour: Annotated[
        int,
        Field(ge=0, description="Sign-ups per hour from one visitor (an IPv4 address or an IPv6 /64). 0: no limit."),
    ] = 30
    network_per_hour: Annotated[
        int, Field(ge=0, description="Sign-ups per hour from one network (an IPv4 /24 or an IPv6 /48). 0: no limit.")
    ] = 100
    address_per_hour: Annotated[
        int, Field(ge=0, description="Sign-ups per hour of one e-mail address. 0: no limit.")
    ] = 5
    domain_per_hour: Annotated[
        int,
        Field(
            ge=0,
            description="Sign-ups per hour of one recipient domain; a quarter is kept for networks not seen in the "
            "last hour. 0: no limit.",
        ),
    ] = 500
    per_hour: Annotated[
        int,
        Field(
            ge=0,
            description="Sign-ups per hour over all; a quarter is kept for networks not seen in the last hour. 0: no "
            "limit.",
        ),
    ] = 1000
    mails_per_week: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description="Sign-ups of one address in seven days that lead to a mail; each may be reminded of once.",
        ),
    ] = 3
    remind_after_hours: Annotated[
        int, Field(ge=0, le=160, description="Hours after which readers who did not confirm get one reminder. 0: none.")
    ] = 24
    form_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=60,
            description="Visitors who fill in the form in fewer seconds are asked to press the button again. 0: not "
            "checked.",
        ),
    ] = 3
    captcha: Annotated[CaptchaSettings, Field(description="A proof that a person signs up.")] = CaptchaSettings()
