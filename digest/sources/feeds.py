"""A feed, how polling it goes, and what a document of it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest.values import ArticleDraft, FeedSpec, Rejected


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed and how polling it goes. ``failures`` counts those since the last success; ``spec.url`` is "" for a desk,
    which is never polled."""

    id: int
    spec: FeedSpec
    active: bool
    etag: str
    last_modified: str
    next_poll_at: datetime | None
    last_ok_at: datetime | None
    failures: int
    last_error: str

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_desk(self) -> bool:
        return not self.spec.url


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A feed document. ``drafts`` and ``rejected`` together are all its entries."""

    title: str
    drafts: tuple[ArticleDraft, ...]
    rejected: tuple[Rejected, ...]
