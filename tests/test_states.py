"""The tables of states: every pair of state and event is listed or refused."""

from __future__ import annotations

import pytest

from digest import states

MACHINES = [
    (states.ISSUE, states.IssueState, states.IssueEvent),
    (states.DELIVERY, states.DeliveryState, states.DeliveryEvent),
    (states.SUBSCRIPTION, states.SubscriptionState, states.SubscriptionEvent),
]


@pytest.mark.parametrize(("table", "state_kind", "event_kind"), MACHINES)
def test_every_state_and_event_pair_is_listed_or_refused(table, state_kind, event_kind) -> None:  # type: ignore[no-untyped-def]
    for state in state_kind:
        for event in event_kind:
            if (state, event) in table:
                assert states.after(table, state, event) == table[state, event] == states.target(table, event)
                assert state in states.sources(table, event)
            else:
                with pytest.raises(ValueError, match="not possible"):
                    states.after(table, state, event)


def test_terminal_states_have_no_way_out() -> None:
    leaving = {state for state, _ in states.DELIVERY}
    assert leaving.isdisjoint({"suppressed", "cancelled", "skipped", "bounced", "complained"})
