"""The tables, on SQLite and PostgreSQL alike. Constraints hold what must never be untrue.

Rows are narrow where there are many: a delivery is its key, a state and a reason. Names are as in ARCHITECTURE.md.
"""

from digest.store.schema.columns import Moment, metadata
from digest.store.schema.content import (
    archive_issues,
    archive_stories,
    article_keys,
    articles,
    counters,
    edition_feeds,
    editions,
    feeds,
    sections,
    stories,
    updates,
)
from digest.store.schema.ledger import (
    batches,
    clicks,
    deliveries,
    feedback_events,
    issue_changes,
    issue_content,
    issues,
    schedules,
    trials,
)
from digest.store.schema.readers import (
    blocked_domains,
    consent_events,
    errands,
    import_rejects,
    imports,
    mail_domains,
    segments,
    sign_up_requests,
    subscribers,
    subscriptions,
    suppressions,
)

__all__ = [
    "Moment",
    "archive_issues",
    "archive_stories",
    "article_keys",
    "articles",
    "batches",
    "blocked_domains",
    "clicks",
    "consent_events",
    "counters",
    "deliveries",
    "edition_feeds",
    "editions",
    "errands",
    "feedback_events",
    "feeds",
    "import_rejects",
    "imports",
    "issue_changes",
    "issue_content",
    "issues",
    "mail_domains",
    "metadata",
    "schedules",
    "sections",
    "segments",
    "sign_up_requests",
    "stories",
    "subscribers",
    "subscriptions",
    "suppressions",
    "trials",
    "updates",
]
