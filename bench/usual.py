"""The usual way: a Celery task for each recipient, which renders the templates, inlines the styles with premailer as it
comes, builds the message and hands it to smtplib over a connection of its own.

``celery -A bench.usual worker`` takes the broker and the port from the environment. Kinder than life: the articles are
in memory, there is no database, and nothing is written down.
"""

from __future__ import annotations

import os
import smtplib
from email.message import EmailMessage
from functools import cache
from typing import Any

import premailer
from celery import Celery, signals
from jinja2 import Environment
from markupsafe import Markup
from redis import Redis

from digest.app import template_folders
from digest.mail import render, themes
from digest.values import IssueContent
from tests.support import samples

BROKER = os.environ.get("BENCH_BROKER", "")
PORT = int(os.environ.get("BENCH_PORT", "0"))
DONE, FAILED = "bench-done", "bench-failed"

app = Celery("usual", broker=f"redis+socket://{BROKER}")
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)


@cache
def _parts() -> tuple[Environment, IssueContent]:
    return themes.environment(template_folders(None)), samples.content()


@cache
def _counter() -> Redis:
    return Redis(unix_socket_path=BROKER)


@app.task(name="usual.send")  # type: ignore[untyped-decorator]
def send(number: int) -> None:
    """One recipient's mail, from templates to the server's 250."""
    environment, content = _parts()
    token = f"t{number:020}"
    context = context_of(content, token, f"Reader {number}", f"reader{number}@example.org")
    html = premailer.transform(environment.get_template("issue.html.j2").render(context))
    text = environment.get_template("issue.txt.j2").render(context)
    message = EmailMessage()
    message["From"] = "The Harbour Post <post@news.example.org>"
    message["To"] = f"Reader {number} <reader{number}@example.org>"
    message["Subject"] = "The Harbour Post: nine coastal states agree on one power grid"
    message["List-Unsubscribe"] = f"<{samples.BASE_URL}/u/{token}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    with smtplib.SMTP("127.0.0.1", PORT) as smtp:
        smtp.send_message(message, f"b+{token}@bounces.example.org")
    _counter().incr(DONE)


@signals.task_failure.connect  # type: ignore[untyped-decorator]
def _tell(exception: BaseException, **_: object) -> None:
    """Whoever waits for the tasks is to know why one of them won't be done."""
    _counter().set(FAILED, repr(exception))


def context_of(content: IssueContent, token: str, name: str, address: str) -> dict[str, Any]:
    """What the project's templates ask for, with this reader's own values at once and without marks to cut at."""
    items = content.items
    values = {"token": token, "name": name, "address": address, "rank": "1", "preheader": ""}
    sections = [
        {"index": index, "section": section, "layout": render.layout(section), "items": [items[i] for i in ids]}
        for index, (section, ids) in enumerate(
            (section, ids[: section.count])
            for section, ids in zip(content.edition.sections, content.candidates, strict=True)
        )
    ]
    return render.shown(content, samples.BASE_URL, values.__getitem__, lambda *_: Markup("")) | {
        "sections": sections,
        "web_url": f"{samples.BASE_URL}/v/{token}",
        "unsubscribe_url": f"{samples.BASE_URL}/u/{token}",
        "preferences_url": f"{samples.BASE_URL}/p/{token}",
    }
