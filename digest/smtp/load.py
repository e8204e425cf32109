"""What a courier has to carry in one run: envelopes pulled as there is room, put back, or set aside for a limit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, repeat

from digest.outcomes import Envelope, Outcome, Result, Stage
from digest.smtp.session import Message

_ASIDE_MOST = 200  # messages set aside for a limit while looking for others that may go
_LOOK_SECONDS = 1.0  # the longest a courier sleeps before it looks around


class Load:
    """The envelopes of one ``send``. ``under_way`` counts those handed to connections."""

    def __init__(self, envelopes: Iterable[Envelope]) -> None:
        self.under_way = 0
        self._source = enumerate(envelopes)
        self._exhausted = False
        self._ready: deque[Message] = deque()
        self._aside: deque[Message] = deque()
        self._aside_until = 0.0

    @property
    def done(self) -> bool:
        return self._exhausted and not (self.under_way or self._ready or self._aside)

    def next(self) -> Message | None:
        """The next message that may go; ``None`` when there is none now."""
        if self._ready:
            return self._ready.popleft()
        return self._pull() if len(self._aside) < _ASIDE_MOST else None

    def more_than(self, count: int) -> bool:
        """Whether more than ``count`` messages are ready, pulling some to see."""
        while len(self._ready) <= count:
            pulled = self._pull()
            if pulled is None:
                return False
            self._ready.append(pulled)
        return True

    def put_back(self, message: Message) -> None:
        self._ready.appendleft(message)

    def set_aside(self, message: Message, until: float) -> None:
        """Keep a message that a limit holds, while others may go."""
        self._aside_until = min(self._aside_until, until) if self._aside else until
        self._aside.append(message)

    def recall(self, now: float) -> None:
        """Those set aside may be asked about again once it is time."""
        if self._aside and now >= self._aside_until:
            self._ready.extend(self._aside)
            self._aside.clear()

    def ready_soon(self, now: float, patience: float) -> bool:
        """Whether anything may go within ``patience`` seconds."""
        return bool(self._ready) or not self._aside or self._aside_until - now <= patience

    def pause(self, now: float) -> float:
        """Seconds that may be slept."""
        return max(0.0, min(_LOOK_SECONDS, self._aside_until - now)) if self._aside else _LOOK_SECONDS

    def hold(self, now: float) -> list[tuple[int, Outcome]]:
        """Give back what a limit holds, and how long it will."""
        seconds = max(0.0, self._aside_until - now)
        held = Outcome(Result.HELD, "held by a limit", stage=Stage.LOCAL, retry_after=seconds)
        answers = [(message.index, held) for message in self._aside]
        self._aside.clear()
        return answers

    def hold_all(self, seconds: float) -> list[tuple[int, Outcome]]:
        """Give back everything: there is no connection to be had for a while."""
        text = "all connections to the mail server are in use"
        held = Outcome(Result.HELD, text, stage=Stage.LOCAL, retry_after=seconds)
        return [(message.index, held) for message in self._rest()]

    def refuse(self, why: Outcome) -> list[tuple[int, Outcome]]:
        """Give back all the rest; the first says ``why``, the others that they were not tried for it."""
        untried = Outcome(Result.UNSENT, f"not tried: {why.text}", why.code, why.enhanced, Stage.CONNECT)
        said = chain([why], repeat(untried))
        return [(message.index, next(said)) for message in self._rest()]

    def _rest(self) -> Iterator[Message]:
        self._ready.extend(self._aside)
        self._aside.clear()
        while message := self.next():
            yield message

    def _pull(self) -> Message | None:
        pulled = None if self._exhausted else next(self._source, None)
        if pulled is None:
            self._exhausted = True
            return None
        return Message(*pulled)
