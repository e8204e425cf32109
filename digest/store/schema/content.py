"""What is told: feeds, articles and their stories, editions, and the archive of what went out."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from digest.store.schema.columns import KEY_BYTES, BigId, Moment, id_column, metadata

counters = Table(
    "counters",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

feeds = Table(
    "feeds",
    metadata,
    id_column(),
    Column("name", String(80), nullable=False, unique=True),
    Column("url", Text, nullable=False, server_default=""),  # "": a desk, filled by hand
    Column("title", Text, nullable=False, server_default=""),
    Column("sector", String(80), nullable=False, server_default=""),
    Column("kind", String(12), nullable=False, server_default="news"),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("active", SmallInteger, nullable=False, server_default="1"),
    Column("etag", Text, nullable=False, server_default=""),
    Column("last_modified", Text, nullable=False, server_default=""),
    Column("next_poll_at", Moment),
    Column("last_ok_at", Moment),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("last_error", Text, nullable=False, server_default=""),
)

stories = Table(
    "stories",
    metadata,
    id_column(),
    Column("intake", BigInteger, nullable=False),
    Column("first_seen_at", Moment, nullable=False),
    Index("ix_stories_intake", "intake"),
    sqlite_autoincrement=True,
)

articles = Table(
    "articles",
    metadata,
    id_column(),
    Column("feed_id", BigId, ForeignKey("feeds.id"), nullable=False),
    Column("story_id", BigId, ForeignKey("stories.id"), nullable=False),
    Column("intake", BigInteger, nullable=False),
    Column("first_seen_at", Moment, nullable=False),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("revised_at", Moment),
    Column("content_key", LargeBinary(KEY_BYTES), nullable=False),  # of what a reader would see; changes with an update
    Column("guid", Text, nullable=False, server_default=""),
    Column("url", Text, nullable=False, server_default=""),
    Column("title", Text, nullable=False),
    Column("standfirst", Text, nullable=False, server_default=""),
    Column("byline", Text, nullable=False, server_default=""),
    Column("place", Text, nullable=False, server_default=""),
    Column("agency", Text, nullable=False, server_default=""),
    Column("countries", JSON, nullable=False, server_default="[]"),
    Column("sector", String(80), nullable=False, server_default=""),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("kind", String(12), nullable=False),
    Column("language", String(20), nullable=False, server_default=""),
    Column("image", JSON),  # values.Image as an object, or null
    Column("published_at", Moment),
    Column("updated_at", Moment),
    Index("ix_articles_story_id", "story_id"),
    Index("ix_articles_feed_id_intake", "feed_id", "intake"),
    Index("ix_articles_first_seen_at", "first_seen_at"),
    sqlite_autoincrement=True,
)

updates = Table(
    "updates",  # stories that tell more of an earlier one: they have no articles of their own
    metadata,
    Column("story_id", BigId, ForeignKey("stories.id", ondelete="CASCADE"), primary_key=True),
    Column("article_id", BigId, ForeignKey("articles.id", ondelete="CASCADE"), nullable=False),  # says what is new
    Index("ix_updates_article_id", "article_id"),
)

article_keys = Table(
    "article_keys",
    metadata,
    Column("feed_id", BigId, ForeignKey("feeds.id"), primary_key=True),
    Column("key", LargeBinary(KEY_BYTES), primary_key=True),
    Column("article_id", BigId, ForeignKey("articles.id", ondelete="SET NULL")),  # null: past its retention
    Index("ix_article_keys_article_id", "article_id"),
)

editions = Table(
    "editions",
    metadata,
    id_column(),
    Column("name", String(80), nullable=False, unique=True),
    Column("spec", JSON, nullable=False),  # values.Edition without sections and feeds
    Column("applied_at", Moment, nullable=False),
)

sections = Table(
    "sections",
    metadata,
    id_column(),
    Column("edition_id", BigId, ForeignKey("editions.id", ondelete="CASCADE"), nullable=False),
    Column("key", String(40), nullable=False),
    Column("position", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("rule", String(12), nullable=False),
    Column("count", Integer, nullable=False),
    Column("match", JSON, nullable=False),
    Column("except_kinds", JSON, nullable=False, server_default="[]"),
    Column("optional", SmallInteger, nullable=False),
    UniqueConstraint("edition_id", "key"),
)

edition_feeds = Table(
    "edition_feeds",
    metadata,
    Column("edition_id", BigId, ForeignKey("editions.id", ondelete="CASCADE"), primary_key=True),
    Column("feed_id", BigId, ForeignKey("feeds.id"), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("weight", Float, nullable=False, server_default="0"),  # days by which the edition prefers its stories
)

archive_issues = Table(  # outlives the issue and its ledger: what was published stays published
    "archive_issues",
    metadata,
    Column("issue_id", BigId, primary_key=True, autoincrement=False),
    Column("edition_id", BigId, ForeignKey("editions.id", ondelete="CASCADE"), nullable=False),
    Column("slug", String(60), nullable=False),
    Column("cadence", String(20), nullable=False),
    Column("slot", Moment, nullable=False),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("image", JSON),  # values.Image as an object, or null
    Column("content", Text, nullable=False),  # values.IssueContent as JSON, as a reader of all sections got it
    Column("published_at", Moment, nullable=False),
    UniqueConstraint("edition_id", "slug"),
    Index("ix_archive_issues_edition_id_slot", "edition_id", "slot"),
    Index("ix_archive_issues_published_at", "published_at"),
)

archive_stories = Table(  # narrow: a search reads all of it
    "archive_stories",
    metadata,
    Column("issue_id", BigId, ForeignKey("archive_issues.issue_id", ondelete="CASCADE"), primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("story_id", BigId, nullable=False),
    Column("words", Text, nullable=False),  # of its headline and standfirst: finding.searchable, a line each
    Column("headline", SmallInteger, nullable=False),  # length of the first line
    sqlite_with_rowid=False,
)
