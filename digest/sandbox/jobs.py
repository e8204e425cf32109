"""What the child can do: each job calls one pure reader. Imported by the child; a job imports its reader when it is
first wanted, since a child that reads mail needs no parser of HTML (40 MB, half a second)."""

from __future__ import annotations

import json
from collections.abc import Callable

from digest.codec import codec


def read_feed(body: bytes, content_type: str, url: str) -> bytes:
    # here: each child needs one of these parsers, seldom all
    from digest.sources.feeds import ParsedFeed
    from digest.sources.parse import parse

    return codec(ParsedFeed).dump_json(parse(body, content_type, url))


def read_page(body: bytes, url: str, charset: str) -> bytes:
    # here: each child needs one of these parsers, seldom all
    from digest.sources.extract import extract
    from digest.values import ArticleDraft

    return codec(ArticleDraft).dump_json(extract(body, url, charset))


def read_mail(body: bytes) -> bytes:
    # here: each child needs one of these parsers, seldom all
    from digest.feedback import bounce, unsubscribe_mail
    from digest.feedback.bounce import Judged

    return json.dumps(
        {"words": unsubscribe_mail.words(body), "judged": codec(Judged).dump_python(bounce.judge(body), mode="json")}
    ).encode()


JOBS: dict[str, Callable[..., bytes]] = {"feed": read_feed, "page": read_page, "mail": read_mail}
