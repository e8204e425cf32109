"""``python -m bench.alone CONFIG COUNT``: the courier alone with ready bytes, in one process. Prints what it took."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from bench import mail
from bench.processes import peak_mb
from digest.app import App
from digest.outcomes import Result


def main(config: str, count: int) -> None:
    app = App.from_file(Path(config))
    courier = app.courier()
    warm = list(mail.envelopes(app.settings.smtp.connections * 2))
    for _ in courier.send(warm):
        pass
    ready = list(mail.envelopes(count))
    before, began = os.times(), time.monotonic()
    accepted = sum(o.result is Result.ACCEPTED for answers in courier.send(ready) for _, o in answers)
    seconds, after = time.monotonic() - began, os.times()
    courier.close()
    if accepted != count:
        sys.exit(f"{accepted} of {count} were accepted")
    cpu = after.user + after.system - before.user - before.system
    print(json.dumps({"seconds": seconds, "cpu": cpu, "rss_mb": peak_mb([os.getpid()])}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
