"""The states of everything that has a life, and which event leads from one to another.

The tables here are the only place that knows. The store turns a transition into one guarded
``UPDATE … WHERE state IN (sources(event))``, so that of two who try, one wins; ``digest.states.diagram`` draws
docs/states.md's picture from the same tables.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar


class IssueState(StrEnum):
    SCHEDULED = "scheduled"
    COMPOSED = "composed"
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class IssueEvent(StrEnum):
    COMPOSE = "compose"
    SKIP = "nothing new"
    EXPAND = "expand"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"
    CANCEL = "cancel"
    REOPEN = "retry"
    REDO = "overtaken ahead of its slot"


class Obstacle(StrEnum):
    """What kept a scheduled issue from being composed when it was last tried. The issue's reason says it in words."""

    NOTHING_NEW = "nothing_new"
    BROKEN = "broken"  # its templates, or whatever else of it, are at fault


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class DeliveryEvent(StrEnum):
    TAKE = "claimed for sending"
    ACCEPT = "2xx"
    DEFER = "4xx or no connection"
    FAIL = "5xx or too old"
    LOSE = "no reply after the final dot"
    RESEND = "resend"
    ASSUME_SENT = "assume sent"
    SUPPRESS = "suppression"
    CANCEL = "unsubscribe, cancel or superseded"
    SKIP = "nothing new for this reader"
    RETRY = "retry"
    BOUNCE = "bounce"
    COMPLAIN = "complaint"


class SubscriptionState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    EXPIRED = "expired"


class SubscriptionEvent(StrEnum):
    CONFIRM = "confirm"
    EXPIRE = "confirmation too old"
    UNSUBSCRIBE = "unsubscribe"
    REQUEST = "sign up again"
    RESTORE = "undo"


S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)
Table = dict[tuple[S, E], S]

_I, _IE = IssueState, IssueEvent
ISSUE: Table[IssueState, IssueEvent] = {
    (_I.SCHEDULED, _IE.COMPOSE): _I.COMPOSED,
    (_I.SCHEDULED, _IE.SKIP): _I.SKIPPED,
    (_I.COMPOSED, _IE.EXPAND): _I.SENDING,
    (_I.COMPOSED, _IE.REDO): _I.SCHEDULED,
    (_I.SENDING, _IE.PAUSE): _I.PAUSED,
    (_I.PAUSED, _IE.RESUME): _I.SENDING,
    (_I.SENDING, _IE.FINISH): _I.SENT,
    (_I.SENT, _IE.REOPEN): _I.SENDING,
    (_I.SCHEDULED, _IE.CANCEL): _I.CANCELLED,
    (_I.COMPOSED, _IE.CANCEL): _I.CANCELLED,
    (_I.SENDING, _IE.CANCEL): _I.CANCELLED,
    (_I.PAUSED, _IE.CANCEL): _I.CANCELLED,
}

_D, _DE = DeliveryState, DeliveryEvent
DELIVERY: Table[DeliveryState, DeliveryEvent] = {
    (_D.PENDING, _DE.TAKE): _D.SENDING,
    (_D.DEFERRED, _DE.TAKE): _D.SENDING,
    (_D.SENDING, _DE.ACCEPT): _D.ACCEPTED,
    (_D.SENDING, _DE.DEFER): _D.DEFERRED,
    (_D.SENDING, _DE.FAIL): _D.FAILED,
    (_D.SENDING, _DE.LOSE): _D.IN_DOUBT,
    (_D.IN_DOUBT, _DE.ACCEPT): _D.ACCEPTED,  # a slow worker, taken for dead, or a dead one's journal brings the reply
    (_D.IN_DOUBT, _DE.DEFER): _D.DEFERRED,
    (_D.IN_DOUBT, _DE.FAIL): _D.FAILED,
    (_D.IN_DOUBT, _DE.RESEND): _D.DEFERRED,
    (_D.IN_DOUBT, _DE.ASSUME_SENT): _D.ACCEPTED,
    (_D.PENDING, _DE.SUPPRESS): _D.SUPPRESSED,
    (_D.DEFERRED, _DE.SUPPRESS): _D.SUPPRESSED,
    (_D.PENDING, _DE.CANCEL): _D.CANCELLED,
    (_D.DEFERRED, _DE.CANCEL): _D.CANCELLED,
    (_D.PENDING, _DE.SKIP): _D.SKIPPED,
    (_D.DEFERRED, _DE.SKIP): _D.SKIPPED,
    (_D.FAILED, _DE.RETRY): _D.DEFERRED,
    (_D.ACCEPTED, _DE.BOUNCE): _D.BOUNCED,
    (_D.ACCEPTED, _DE.COMPLAIN): _D.COMPLAINED,
}

_S, _SE = SubscriptionState, SubscriptionEvent
SUBSCRIPTION: Table[SubscriptionState, SubscriptionEvent] = {
    (_S.PENDING, _SE.CONFIRM): _S.ACTIVE,
    (_S.PENDING, _SE.EXPIRE): _S.EXPIRED,
    (_S.PENDING, _SE.UNSUBSCRIBE): _S.UNSUBSCRIBED,
    (_S.ACTIVE, _SE.UNSUBSCRIBE): _S.UNSUBSCRIBED,
    (_S.UNSUBSCRIBED, _SE.REQUEST): _S.PENDING,
    (_S.EXPIRED, _SE.REQUEST): _S.PENDING,
    (_S.UNSUBSCRIBED, _SE.RESTORE): _S.ACTIVE,
}

OPEN_ISSUE = frozenset({_I.SCHEDULED, _I.COMPOSED, _I.SENDING, _I.PAUSED})
OPEN_DELIVERY = frozenset({_D.PENDING, _D.SENDING, _D.DEFERRED})


def after(table: Table[S, E], state: S, event: E) -> S:
    """The state that ``event`` leads to from ``state``. Raises ``ValueError`` for a pair that is not listed."""
    try:
        return table[state, event]
    except KeyError:
        raise ValueError(f"{type(state).__name__}: {event!s} is not possible from {state!s}") from None


def sources(table: Table[S, E], event: E) -> tuple[S, ...]:
    """The states that ``event`` may start from: what the guard of its UPDATE lists."""
    return tuple(state for state, ev in table if ev == event)


def target(table: Table[S, E], event: E) -> S:
    """The one state ``event`` leads to, whatever it starts from."""
    (state,) = {to for (_, ev), to in table.items() if ev == event}
    return state


def diagram() -> str:
    """The three state machines as one Mermaid text, for docs/states.md (``make diagram`` writes it there)."""
    lines = ["stateDiagram-v2"]
    for title, table in (("Issue", ISSUE), ("Delivery", DELIVERY), ("Subscription", SUBSCRIPTION)):
        lines.append(f"  state {title} {{")
        merged: dict[tuple[str, str], list[str]] = {}
        for (state, event), to in table.items():
            merged.setdefault((state, to), []).append(event)
        prefix = title[0].lower()
        names = dict.fromkeys(name for pair in merged for name in pair)
        lines.extend(f"    {prefix}_{name} : {name}" for name in names)
        lines.extend(f"    {prefix}_{a} --> {prefix}_{b} : {' / '.join(ev)}" for (a, b), ev in merged.items())
        lines.append("  }")
    return "\n".join(lines) + "\n"
