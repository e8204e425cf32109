"""What a list says about a reader's state, column by column: nobody is mailed because a word was not understood."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType


class Standing(StrEnum):
    """How a reader stands in the list they come from."""

    ACTIVE = "active"
    UNCONFIRMED = "unconfirmed"  # never mailed, and nothing is kept of them
    UNSUBSCRIBED = "unsubscribed"  # from this edition
    BOUNCED = "bounced"  # this and the next: never mailed again, whatever they are subscribed to
    BLOCKED = "blocked"
    COMPLAINED = "complained"


SUPPRESSED: Mapping[Standing, str] = MappingProxyType(
    {Standing.BOUNCED: "bounce", Standing.BLOCKED: "operator", Standing.COMPLAINED: "complaint"}
)
"""Those who are never mailed again, with the reason that the suppression gets."""

_RANK = {standing: rank for rank, standing in enumerate(Standing)}
_A, _U, _N = Standing.ACTIVE, Standing.UNSUBSCRIBED, Standing.UNCONFIRMED
_B, _X, _C = Standing.BOUNCED, Standing.BLOCKED, Standing.COMPLAINED


def worst(said: Iterable[Standing]) -> Standing:
    """The one that counts where several columns speak: the one that lets the least be sent."""
    return max(said, key=_RANK.__getitem__)


@lru_cache(maxsize=5_000)
def plain(text: str) -> str:
    """A column's name or a value as it is compared: lower case without accents, ``_`` for all that is no letter or
    digit."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(char for char in decomposed if not unicodedata.combining(char))
    return re.sub(r"[\W_]+", "_", letters).strip("_")


@dataclass(frozen=True, slots=True)
class Sign:
    """How the values of a column tell a state. ``values`` are known words as ``plain`` writes them; ``blank``,
    ``dated`` (any date) and ``other`` (anything else) are what such a value says. ``None``: it is not understood.

    ``silent`` blanks say nothing: other columns decide.
    """

    values: Mapping[str, Standing] = field(default_factory=dict)
    blank: Standing | None = None
    dated: Standing | None = None
    other: Standing | None = None
    silent: frozenset[str] = frozenset()

    def says(self, value: str) -> Standing | None:
        """Raises ``LookupError`` for a value that is not understood, ``None`` for one that says nothing."""
        word = plain(value)
        if word in self.silent:
            return None
        found = self.values.get(word)
        if found is None:
            found = self.blank if not word else self.dated if _DATE.match(value.strip()) else None
        if found is None and word:
            found = self.other
        if found is None:
            raise LookupError(value)
        return found


_DATE = re.compile(r"\d{4}-\d\d?-\d\d?(\D|$)|\d{1,2}[./]\d{1,2}[./]\d{2,4}(\D|$)|\d{10}(\d{3})?$")
_YES = ("true", "yes", "1", "y", "t", "on", "x", "ja", "si", "oui", "sim", "wahr", "vrai", "verdadero")
_NO = ("false", "no", "0", "n", "f", "off", "nein", "non", "nao", "falsch", "faux", "falso", "null", "none", "never")


def positive(otherwise: Standing) -> Sign:
    """A column such as ``subscribed``: yes or a date is active, no or blank is ``otherwise``."""
    return Sign({**dict.fromkeys(_YES, _A), **dict.fromkeys(_NO, otherwise)}, blank=otherwise, dated=_A)


def negative(standing: Standing, *, text: bool = False) -> Sign:
    """A column such as ``bounced``: yes or a date is ``standing``, no or blank says nothing. ``text``: so is any word,
    such as a reason."""
    return Sign(
        dict.fromkeys(_YES, standing), dated=standing, other=standing if text else None, silent=frozenset({"", *_NO})
    )


def words(listed: Mapping[Standing, str], blank: Standing | None = None) -> Sign:
    """A column of words, given for each standing with blanks between."""
    return Sign({word: standing for standing, said in listed.items() for word in said.split()}, blank=blank)


STATES = words(
    {
        _A: "active subscribed enabled confirmed opted_in opt_in optin subscriber aktiv angemeldet abonniert activo "
        "suscrito actif active abonne inscrit attivo iscritto ativo inscrito",
        _U: "unsubscribed inactive disabled opted_out opt_out optout removed deleted unsubscribe archived paused "
        "abgemeldet inaktiv abbestellt inactivo baja desuscrito inactif desabonne desinscrit inattivo disiscritto "
        "inativo descadastrado cancelled canceled not_subscribed nonsubscribed",
        _N: "unconfirmed pending unactivated unverified awaiting_confirmation not_confirmed expired invited "
        "unbestatigt ausstehend pendiente en_attente non_confirme in_attesa pendente",
        _B: "bounced cleaned hard_bounced hard_bounce undeliverable invalid bounce gebounct rebotado rebondi",
        _X: "blocked blocklisted blacklisted suppressed banned gesperrt bloqueado bloque bloccato",
        _C: "complained complaint spam spam_complaint abuse junk reported marked_as_spam beschwerde",
    }
)
"""The words of a column of states in any list."""

OWN = Sign(STATES.values, blank=_A)
"""Those of our own column ``state``: a blank is active."""

_TOLD = ("reason", "other", "campaign", "title", "id", "comment", "detail", "details", "type", "source", "feedback")
_ADDRESSES_OF_PAGES = ("url", "link", "token", "hash")
_WHEN = ("at", "on", "date", "time", "changed", "since")
_NEGATIVE = {
    _C: "complain complained complaint complaints abuse spam junk spammed beschwerde",
    _X: "block blocked blocklist blocklisted blacklist blacklisted suppress suppressed suppression banned "
    "do_not_email do_not_mail do_not_contact dnc dnd robinson gesperrt bloqueado",
    _B: "bounce bounced bounces hardbounce cleaned clean undeliverable undeliverability invalid gebounct rebotado "
    "rebondi",
    _U: "unsub unsubs unsubscribe unsubscribed unsubscription unsubscribes optout opt_out opted_out deleted removed "
    "disabled inactive deactivated archived abgemeldet abmeldung abbestellt baja desabonne desinscrit desinscription "
    "disiscritto left quit",
    _N: "unconfirmed unverified pending",
}
# Names of columns as they are, and words that such names have in them (not at the end: consent_ip, subscribed_at).
_CONFIRMED = "confirm_time confirmation_time confirmation_date confirmed_at confirmed_on verified_at double_opt_in"
_CONFIRMED_WORDS = {"confirmed", "verified", "doi", "doubleoptin", "bestatigt"}
_VALID = "valid is_valid email_valid deliverable is_deliverable"
_POSITIVE = (
    "active is_active enabled is_enabled accepts_marketing accepts_email_marketing permission subscribed_to_emails "
    "receives_emails mailable newsletter wants_newsletter newsletter_subscription mailing_list aktiv activo actif "
    "attivo ativo angemeldet suscrito abonne iscritto inscrito"
)
_POSITIVE_WORDS = {"subscribed", "optin", "opt_in", "opted_in", "consent", "consented", "einwilligung"}
_DETAILS = ("ip", "country", "text", "source", "language", "method", "form", "page", "version", "campaign", "id", "by")
_NOT = {"not", "no", "non", "never", "without", "nicht", "kein", "sin", "sans", "sem", "senza"}
_DO_NOT = ("do_not_email", "do_not_mail", "do_not_contact")
_STATES = ("statut", "estado", "stato", "stav", "subscription")


@lru_cache(maxsize=1000)
def sign_of(column: str) -> Sign | None:
    """How a column of any list tells a state, by its name as ``plain`` writes it; ``None`` if it is about something
    else."""
    found = _sign(column, column.split("_"))
    if found and _NOT & set(column.split("_")) and not _has(column, _DO_NOT):
        return Sign()  # such as not_confirmed: what its yes means is for the operator to say
    return found


def _sign(column: str, tokens: list[str]) -> Sign | None:
    if column == "state":
        return OWN
    if tokens[-1] in _ADDRESSES_OF_PAGES:
        return None
    for standing, listed in _NEGATIVE.items():
        for name in listed.split():
            if _has(column, (name,)):
                return negative(standing, text=tokens[-1] in _TOLD)
    if column in _CONFIRMED.split() or (_has(column, _CONFIRMED_WORDS) and tokens[-1] not in _DETAILS):
        return positive(_N)
    if column in _VALID.split():
        return positive(_B)
    about_when = tokens[-1] in _WHEN or tokens[0] in ("date", "time")
    if column in _POSITIVE.split() or (_has(column, _POSITIVE_WORDS) and not about_when and tokens[-1] not in _DETAILS):
        return positive(_U) if not {"status", "state"} & set(tokens) else STATES
    if column in _STATES or ({"status", "statut"} & set(tokens) and tokens[-1] not in _WHEN):
        return STATES
    return None


def _has(column: str, names: Iterable[str]) -> bool:
    return any(f"_{name}_" in f"_{column}_" for name in names)
