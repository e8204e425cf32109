"""The courier: carries envelopes to SMTP servers and says of each what became of it.

``Courier`` is the seam the flows know; fakes in tests stand here and nowhere else. ``SmtpCourier`` is the real one: one
thread, several connections to several routes, none of them waited for. Envelopes are pulled as there is room for
them; outcomes come in whatever order servers answer.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

from digest.outcomes import Envelope, Outcome, Result, Stage
from digest.settings import SmtpSettings
from digest.smtp.connection import Address, Connection, unreachable
from digest.smtp.load import Load
from digest.smtp.session import Message, Session

_TRIES = 2  # fruitless connections a message is begun on, while nothing of it can have been taken
_FRUITLESS = 2  # connections in a row that ended without carrying a message: the route is no use now
_DOUBTFUL = 3  # connections of one run that ended with messages in doubt: likewise
_PATIENCE = 1.0  # seconds to wait for a limit when nothing else is to be done
_CROWDED_SECONDS = 5.0  # until it is worth asking again for a connection when other workers have them all
_GOODBYE_SECONDS = 2.0
_OPENING = 2  # timeouts from connecting to being logged in
_FINISHING = 5  # timeouts for what is under way on a connection that is old enough to be ended


Answers = Sequence[tuple[int, Outcome]]
"""What became of some envelopes, by their place among those given."""
OnWire = Callable[[Sequence[int]], None]


class Gate(Protocol):
    """What keeps limits over all workers: messages a second, an hour, a day; connections to a route."""

    def admit(self, route: str, domain: str) -> float:
        """0.0: go, a token has been taken. Else the seconds after which it is worth asking again."""
        ...

    def connect(self, route: str) -> Any:
        """The right to one more connection, or ``None`` while all are taken."""
        ...

    def release(self, slot: Any) -> None:
        """That connection has ended."""
        ...

    def renew(self) -> None:
        """The connections held are still in use."""
        ...

    def give_back(self) -> None:
        """Return what was taken in advance and is not needed now."""
        ...


class Courier(Protocol):
    """Sends envelopes."""

    def send(self, envelopes: Iterable[Envelope], on_wire: OnWire = ...) -> Iterator[Answers]:
        """Yield ``(index, outcome)`` once for each envelope, in any order, those that came together together. Never
        raises for what a server or network does; never says accepted without having read so. ``on_wire(indices)`` is
        called right before the bodies of these messages are written. When no route is any use, the rest come back
        ``UNSENT`` without being tried."""
        ...

    def close(self) -> None:
        """End all connections politely."""
        ...


def _ignore(_indices: Sequence[int]) -> None:
    """Nobody keeps a journal."""


class _Route:
    """A server, its connections, and whether it is any use."""

    def __init__(self, settings: SmtpSettings) -> None:
        self.settings = settings
        self.connections: list[Connection] = []
        self.addresses: list[Address] = []
        self.begin()

    def begin(self) -> None:
        """A new run: forget past failures."""
        self.down: Outcome | None = None
        self.allowed = self.settings.connections  # fewer once the server has refused one more
        self.served = 0.0  # messages handed out, by weight
        self._fruitless = self._doubtful = 0

    def next_address(self) -> Address | None:
        """The next of the server's addresses to try; ``None`` when the name leads nowhere (``down`` says why)."""
        if not self.addresses:
            try:
                found = socket.getaddrinfo(self.settings.host, self.settings.port, type=socket.SOCK_STREAM)
            except OSError as error:
                self.down = unreachable(error)
                return None
            self.addresses = [(family, kind, protocol, target) for family, kind, protocol, _, target in found]
        self.addresses.append(self.addresses.pop(0))
        return self.addresses[-1]

    @property
    def roomy(self) -> Connection | None:
        """A connection that can take another message."""
        return next((c for c in self.connections if c.session.capacity > 0), None)

    @property
    def opening(self) -> int:
        return sum(not c.session.ready for c in self.connections)

    def learn(self, session: Session, finished: Sequence[tuple[Message, Outcome]]) -> None:
        """Judge the route by a connection that has ended, and what it had to give back. It is no use when its last
        connection could not be opened, or when those opened end in mid-message again and again."""
        if any(outcome.result is Result.UNKNOWN for _, outcome in finished):
            self._doubtful += 1
        if session.carried:
            self._fruitless = 0
        elif session.failure or finished:
            self._fruitless += 1
        if session.failure and self.connections:
            self.allowed = len(self.connections)  # so many, and no more, does the server want at a time
        elif session.failure and (
            session.failure.result is Result.REFUSED_LOGIN or self._fruitless >= len(self.addresses)
        ):
            self.addresses = []
            self.down = session.failure
        elif self._fruitless >= _FRUITLESS or self._doubtful >= _DOUBTFUL:
            self.down = Outcome(Result.UNSENT, "its connections end in mid-message", stage=Stage.CONNECT)


class SmtpCourier:
    """A courier over ``routes``; each gets messages by its weight while it is any use, the others take over else."""

    def __init__(
        self,
        routes: Sequence[SmtpSettings],
        gate: Gate | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._routes = [_Route(settings) for settings in routes]
        self._gate = gate
        self._selector = selectors.DefaultSelector()
        self._of: dict[Connection, _Route] = {}
        self._slots: dict[Connection, Any] = {}
        self._crowded = False  # other workers hold all the connections there may be
        self._interest: dict[Connection, int] = {}
        self._touched: set[Connection] = set()  # those on which something moved since they were last looked after
        self._on_wire: OnWire = _ignore
        self._changed = False
        self._busy = False

    # -------------------------------------------------------------------------------------------- sending

    def send(self, envelopes: Iterable[Envelope], on_wire: OnWire = _ignore) -> Iterator[Answers]:
        assert not self._busy, "a courier carries one load at a time"
        self._busy, self._on_wire = True, on_wire
        for route in self._routes:
            route.begin()
        try:
            yield from self._carry(Load(envelopes))
        finally:
            self._busy, self._on_wire = False, _ignore
            self._drop_unfinished()
            if self._gate:
                self._gate.give_back()

    def _carry(self, load: Load) -> Iterator[Answers]:
        while True:
            now = self._clock()
            self._retire(now)
            if answers := self._collect(load):  # told before anything else leaves: no more is unsure than is in flight
                yield answers
            self._hand_out(load, now)
            self._flush()
            if answers := self._collect(load):  # what no server took a byte of
                yield answers
            self._touched.clear()
            if load.done:
                return
            if self._changed:  # a connection has gone: see what that allows
                self._changed = False
                continue
            if load.under_way == 0 and not load.ready_soon(now, _PATIENCE):
                yield load.hold(now)
            elif self._crowded and not self._of:
                yield load.hold_all(_CROWDED_SECONDS)
            elif load.under_way == 0 and (why := self._hopeless()):
                yield load.refuse(why)
            else:
                self._wait(load.pause(now))

    def _hand_out(self, load: Load, now: float) -> None:
        """Give messages to connections that have room, and open more while there are messages."""
        load.recall(now)
        self._crowded = False
        while (chosen := self._choose()) and (message := load.next()):
            route, connection = chosen
            if self._gate and (wait := self._gate.admit(route.settings.name, _domain(message.envelope))):
                load.set_aside(message, now + wait)
                continue
            route.served += 1 / route.settings.weight
            load.under_way += 1
            connection.session.submit(message)
            self._touched.add(connection)
        for route in sorted(self._routes, key=lambda route: route.served):
            self._open(route, load, now)

    def _choose(self) -> tuple[_Route, Connection] | None:
        """The connection with room on the route that has had least of its share. A route that is down gets no more
        connections; one that is open all the same is used."""
        able = ((route.served, number, route, route.roomy) for number, route in enumerate(self._routes))
        best = min((each for each in able if each[3]), default=None)
        return (best[2], best[3]) if best and best[3] else None

    def _collect(self, load: Load) -> list[tuple[int, Outcome]]:
        """Take what sessions have finished; begin again elsewhere what surely was not taken."""
        answers: list[tuple[int, Outcome]] = []
        for connection in list(self._touched):
            session = connection.session
            finished, session.finished = session.finished, []
            load.under_way -= len(finished)
            again = [message for message, outcome in finished if _may_go_again(session, message, outcome)]
            for message in reversed(again):
                load.put_back(Message(message.index, message.envelope, message.tries + (0 if session.carried else 1)))
            if session.closed:
                self._remove(connection, finished)
            answers += [(message.index, outcome) for message, outcome in finished if message not in again]
        return answers

    def _hopeless(self) -> Outcome | None:
        """Why there is no route to wait for; ``None`` while there is one."""
        if any(route.connections or not route.down for route in self._routes):
            return None
        return next((route.down for route in self._routes if route.down), None)

    # ---------------------------------------------------------------------------------------- connections

    def _open(self, route: _Route, load: Load, now: float) -> None:
        """Open connections while messages wait that those opening have no room for."""
        while not route.down and len(route.connections) < route.allowed and load.more_than(route.opening):
            slot = self._gate.connect(route.settings.name) if self._gate else True
            if slot is None:
                self._crowded = True
                return
            address = route.next_address()
            if address is None:
                self._release(slot)
                return
            connection = Connection(route.settings, address, now)
            self._slots[connection] = slot
            route.connections.append(connection)
            self._of[connection] = route
            self._interest[connection] = connection.interest()
            self._selector.register(connection.socket, self._interest[connection], connection)
            self._touched.add(connection)

    def _remove(self, connection: Connection, finished: Sequence[tuple[Message, Outcome]] = ()) -> None:
        route = self._of.pop(connection)
        route.connections.remove(connection)
        self._selector.unregister(connection.socket)
        del self._interest[connection]
        self._touched.discard(connection)
        connection.socket.close()
        self._release(self._slots.pop(connection))
        route.learn(connection.session, finished)
        self._changed = True

    def _release(self, slot: Any) -> None:
        if self._gate:
            self._gate.release(slot)

    def _retire(self, now: float) -> None:
        """Say goodbye on connections that are old or have carried enough; give up those that have fallen silent."""
        if self._gate:
            self._gate.renew()
        for connection, route in self._of.items():
            settings, session = route.settings, connection.session
            worn = session.carried >= settings.messages_per_connection
            old = now - connection.opened_at > settings.connection_seconds
            if session.ready and (worn or old):
                session.retiring = True
                if session.drained():
                    session.quit()
                    self._touched.add(connection)
            elif (not session.ready or session.waiting) and self._silent(connection, settings.timeout_seconds, now):
                session.lost(f"no answer for {settings.timeout_seconds:g} s")
                self._touched.add(connection)
            if (most := self._overdue(connection, settings, now)) and not session.closed:
                session.lost(f"not done after {most:g} s")
                self._touched.add(connection)

    def _silent(self, connection: Connection, seconds: float, now: float) -> bool:
        """Whether the server has not answered for that long. If it was us who stood still, its answers have arrived and
        are read first."""
        if now - connection.heard_at <= seconds:
            return False
        self._advance(connection, now)
        return now - connection.heard_at > seconds

    def _overdue(self, connection: Connection, settings: SmtpSettings, now: float) -> float:
        """The seconds that what the connection is doing may take in all, when they are over: a server that always says
        or reads a little can't keep it for ever. 0.0: there is time."""
        if connection.session.opening:
            most = _OPENING * settings.timeout_seconds
        elif connection.session.retiring:
            most = settings.connection_seconds + _FINISHING * settings.timeout_seconds
        else:
            return 0.0
        return most if now - connection.opened_at > most else 0.0

    def _flush(self) -> None:
        """Write what there is to say, and see what to wait for."""
        now = self._clock()
        leaving = [index for connection in self._touched for index in connection.session.leaving]
        if leaving:
            self._on_wire(leaving)
        for connection in self._touched:
            connection.session.leaving.clear()
            connection.flush(now)
            wanted = connection.interest()
            if self._interest[connection] != wanted:
                self._interest[connection] = wanted
                self._selector.modify(connection.socket, wanted, connection)

    def _wait(self, seconds: float) -> None:
        """Let sockets move, for at most ``seconds``."""
        events = self._selector.select(seconds)
        now = self._clock()
        for key, _ in events:
            self._advance(key.data, now)

    def _advance(self, connection: Connection, now: float) -> None:
        before = connection.socket
        connection.advance(now)
        if connection.socket is not before:  # TLS has wrapped it
            self._selector.unregister(before)
            self._selector.register(connection.socket, self._interest[connection], connection)
        self._touched.add(connection)

    def _drop_unfinished(self) -> None:
        """End connections that still have messages under way, whose caller has gone."""
        for connection in [c for c in self._of if c.session.closed or not c.session.idle]:
            connection.session.lost("given up by us")
            connection.session.finished.clear()
            self._remove(connection)

    def close(self) -> None:
        """Say goodbye on all connections, and wait a little for the servers to."""
        deadline = self._clock() + _GOODBYE_SECONDS
        for connection in self._of:
            connection.session.quit()
            self._touched.add(connection)
        while any(c.session.waiting and not c.session.closed for c in self._of) and self._clock() < deadline:
            self._flush()
            self._wait(max(0.0, deadline - self._clock()))
        for connection in list(self._of):
            self._remove(connection)


def _may_go_again(session: Session, message: Message, outcome: Outcome) -> bool:
    """What surely was not taken is begun on another connection, unless it seems to be the message that ends them."""
    return outcome.result is Result.UNSENT and (session.carried > 0 or message.tries + 1 < _TRIES)


def in_order(answers: Iterable[Answers]) -> list[Outcome]:
    """The outcomes in the order of the envelopes, once all have come."""
    return [outcome for _, outcome in sorted(chain.from_iterable(answers), key=lambda answer: answer[0])]


def _domain(envelope: Envelope) -> str:
    return envelope.recipient.rpartition("@")[2].lower()
