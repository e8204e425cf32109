"""What the products write into their exports, as data: by which columns each is known, what holds what, and who must
not be mailed. The pages under docs/moving/ say the same in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from digest.readers.exports.standing import Sign, Standing, negative, positive, words

_A, _U, _N = Standing.ACTIVE, Standing.UNSUBSCRIBED, Standing.UNCONFIRMED
_B, _X, _C = Standing.BOUNCED, Standing.BLOCKED, Standing.COMPLAINED


@dataclass(frozen=True, slots=True)
class Export:
    """An export of one product; columns are named as ``standing.plain`` writes them.

    ``marks``: the columns of any of these sets tell the product. ``columns``: ours by theirs, see
    ``reading.TARGETS``. ``signs``: which columns tell the state; of several together the first that is filled speaks.
    ``silent``: the state where none of them says anything. ``harmless``: columns that look like a state and are none.
    ``prefix``: what stands before the name of the operator's own fields. ``files``: what the beginning of the file's
    name says about everybody in it.
    """

    title: str
    marks: tuple[str, ...]
    columns: Mapping[str, str]
    signs: tuple[tuple[str, Sign], ...]
    silent: Standing = _N
    harmless: str = ""
    prefix: str = ""
    files: Mapping[str, Standing] = field(default_factory=dict)


PRODUCTS: Mapping[str, Export] = {
    "listmonk": Export(
        title="listmonk",
        marks=("uuid email status attributes", "uuid email name status created_at updated_at"),
        columns={
            "email": "address",
            "name": "name",
            "attributes": "attributes",
            "attribs": "attributes",
            "created_at": "consent_at",
        },
        signs=(("status", words({_A: "enabled", _U: "disabled", _X: "blocklisted blacklisted"})),),
    ),
    "mailchimp": Export(
        title="Mailchimp",
        marks=(
            "email_address member_rating",
            "email_address optin_time",
            "email_address confirm_time",
            "email_address unsub_time",
            "email_address clean_time",
            "email_address leid euid",
        ),
        columns={
            "email_address": "address",
            "first_name": "first_name",
            "last_name": "last_name",
            "name": "name",
            "optin_time": "consent_at",
            "optin_ip": "consent_ip",
            "confirm_time": "confirmed_at",
            "confirm_ip": "confirmed_ip",
            "tags": "tags",
        },
        signs=(
            ("confirm_time optin_time", Sign(blank=_N, dated=_A)),
            ("unsub_time", negative(_U, text=True)),
            ("unsub_campaign_title", negative(_U, text=True)),
            ("unsub_campaign_id", negative(_U, text=True)),
            (
                "unsub_reason",
                Sign(
                    dict.fromkeys(("abuse", "spam", "complaint"), _C),
                    other=_U,
                    silent=frozenset({""}),
                ),
            ),
            ("unsub_reason_other", negative(_U, text=True)),
            ("clean_time", negative(_B, text=True)),
            ("clean_campaign_title", negative(_B, text=True)),
            ("clean_campaign_id", negative(_B, text=True)),
        ),
        files={"unsubscribed_": _U, "cleaned_": _B, "nonsubscribed_": _N},
    ),
    "ghost": Export(
        title="Ghost",
        marks=("email subscribed_to_emails",),
        columns={"email": "address", "name": "name", "created_at": "consent_at", "labels": "tags"},
        signs=(("subscribed_to_emails", positive(_U)), ("deleted_at", negative(_U))),
    ),
    "mailtrain": Export(
        title="Mailtrain",
        marks=("cid hash_email", "cid email status"),
        columns={
            "email": "address",
            "merge_name": "name",
            "merge_first_name": "first_name",
            "merge_last_name": "last_name",
            "first_name": "first_name",
            "last_name": "last_name",
            "opt_in_ip": "consent_ip",
            "opt_in_country": "",
            "created": "consent_at",
        },
        signs=(("status", words({_A: "subscribed", _U: "unsubscribed", _B: "bounced", _C: "complained"})),),
        prefix="merge_",
    ),
    "mailerlite": Export(
        title="MailerLite",
        marks=(
            "subscriber status",
            "email status groups",
            "email status subscribed_at",
            "email status opted_in_at",
            "email status opt_in_ip",
            "email status optin_ip",
            "email status date_subscribed",
            "email status subscribe_date",
            "email status confirmation_ip",
        ),
        columns={
            "subscriber": "address",
            "email": "address",
            "name": "first_name",
            "first_name": "first_name",
            "last_name": "last_name",
            "subscribed_at": "consent_at",
            "subscribed": "consent_at",
            "date_subscribed": "consent_at",
            "subscribe_date": "consent_at",
            "ip_address": "consent_ip",
            "signup_ip": "consent_ip",
            "opted_in_at": "confirmed_at",
            "confirmation_time": "confirmed_at",
            "optin_ip": "confirmed_ip",
            "opt_in_ip": "confirmed_ip",
            "confirmation_ip": "confirmed_ip",
            "groups": "tags",
        },
        signs=(
            ("status", words({_A: "active", _U: "unsubscribed", _N: "unconfirmed", _B: "bounced", _C: "junk"})),
            ("unsubscribed_at", negative(_U)),
            ("date_unsubscribed", negative(_U)),
            ("unsubscribe_date", negative(_U)),
        ),
        harmless="state subscribed confirmation_time",
    ),
    "substack": Export(
        title="Substack",
        marks=("email active_subscription email_disabled", "email active_subscription expiry plan"),
        columns={"email": "address", "name": "name", "created_at": "consent_at"},
        signs=(("email_disabled", Sign({"false": _A, "true": _U})),),
        harmless="active_subscription",
    ),
    "buttondown": Export(
        title="Buttondown",
        marks=(
            "email_address type creation_date",
            "email type creation_date",
            "email subscriber_type creation_date",
            "email notes metadata tags",
            "email_address notes metadata tags",
        ),
        columns={
            "email_address": "address",
            "email": "address",
            "creation_date": "consent_at",
            "ip_address": "consent_ip",
            "metadata": "attributes",
            "tags": "tags",
        },
        signs=(
            (
                "type subscriber_type",
                words(
                    {
                        _A: "regular premium gifted trialed",
                        _N: "unactivated",
                        _U: "unsubscribed removed disabled paused",
                        _B: "undeliverable malformed",
                        _C: "complained",
                        _X: "blocked spammy",
                    }
                ),
            ),
            ("unsubscription_date", negative(_U)),
            ("unsubscription_reason", negative(_U, text=True)),
            ("undeliverability_date", negative(_B)),
            ("undeliverability_reason", negative(_B, text=True)),
        ),
    ),
}
