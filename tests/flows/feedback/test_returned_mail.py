"""What comes back changes the ledger, the reader and the suppressions once, and only by our own token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from typer.testing import CliRunner

from digest import cli, sandbox
from digest.cli.common import Door
from digest.errors import InputError, NotFoundError, UnavailableError
from digest.flows.feedback import returned_mail as feedback
from digest.flows.feedback.returned_mail import Done, Taken
from digest.flows.issues import operate
from digest.flows.readers import audience
from digest.net import mailboxes
from digest.outcomes import Envelope, Outcome, Result, Stage
from digest.readers import addresses, tokens
from digest.sandbox import MailRead
from digest.settings import FeedbackSettings, ImapSettings
from digest.store import schema
from digest.store.ledger import deliveries
from digest.store.readers import consent, suppressions
from digest.values import Issue
from tests.feedback.test_bounce import TOKEN as OF_OTHERS
from tests.feedback.test_bounce import complaint, letter, recipient, report
from tests.support.imap_server import PASSWORD, serve
from tests.support.world import ACCEPTED, NO_SUCH_USER, NOT_WELCOME, READERS, ToldCourier, World, draft, told

ANN = "ann@x.example"
DEAD = recipient("5.1.1", "550 5.1.1 no such user")
FULL = recipient("5.2.2", "552 5.2.2 mailbox is full")
REFUSED = recipient("5.7.1", "550 5.7.1 not from your network")


@pytest.fixture
def sent(world: World) -> Issue:
    return send(world, 1)


def send(world: World, number: int) -> Issue:
    world.articles(draft(number))
    if number == 1:
        world.readers(ANN, "bob@x.example")
    issue = world.publish()
    world.deliver(ToldCourier())
    return issue


def of(world: World, issue: Issue | int, mail: bytes, address: str = ANN) -> bytes:
    """``mail``, as it comes back of this reader's."""
    issue_id = issue if isinstance(issue, int) else issue.id
    token = tokens.return_path(world.app.settings.keys, issue_id, world.subscription(address).id)
    return mail.replace(OF_OTHERS.encode(), token.encode())


def take(world: World, mail: bytes) -> Taken:
    return feedback.take(world.app.database, world.app.listening, mail, world.app.now())


def suppressed(world: World, address: str = ANN) -> str:
    with world.app.database.read() as connection:
        found = suppressions.find(connection, addresses.key(address))
    return found.reason if found else ""


def events(world: World) -> list[tuple[Any, ...]]:
    table = schema.feedback_events.c
    with world.app.database.read() as connection:
        return [tuple(row) for row in connection.execute(select(table.kind, table.grade).order_by(table.id))]


@pytest.mark.parametrize(
    ("block", "done", "grade", "why"),
    [(DEAD, Done.HARD, "hard", "bounce"), (FULL, Done.SOFT, "soft", ""), (REFUSED, Done.BLOCKED, "blocked", "")],
)
def test_a_bounce_is_told_in_the_ledger_and_a_dead_address_is_mailed_no_more(
    world: World, sent: Issue, block: str, done: Done, grade: str, why: str
) -> None:
    mail = of(world, sent, report(block))
    assert take(world, mail) == Taken(done, bool(why))
    assert world.counts(sent) == {"accepted": 1, "bounced": 1}
    assert (suppressed(world), str(world.subscription(ANN).state)) == (why, "active")
    assert take(world, mail) == Taken(Done.KNOWN)
    assert events(world) == [("bounce", grade)]
    with world.app.database.read() as connection:
        ((_, reason, _),) = deliveries.reasons(connection, sent.id)
    assert reason.startswith(("hard bounce", "soft bounce", "refused"))
    world.later(days=1)
    world.articles(draft(2))
    world.publish()
    courier = ToldCourier()
    world.deliver(courier)
    assert set(courier.recipients) == ({"bob@x.example"} if why else {ANN, "bob@x.example"})


def test_a_complaint_ends_the_subscription_and_is_remembered(world: World, sent: Issue) -> None:
    mail = of(world, sent, complaint("abuse"))
    assert take(world, mail) == Taken(Done.COMPLAINT, True)
    assert world.counts(sent) == {"accepted": 1, "complained": 1}
    assert (suppressed(world), str(world.subscription(ANN).state)) == ("complaint", "unsubscribed")
    assert take(world, mail) == Taken(Done.KNOWN)
    assert events(world) == [("complaint", "")]
    with world.app.database.read() as connection:
        left = consent.events(connection, world.subscription(ANN).id)[-1]
    assert (left["kind"], left["source"]) == ("unsubscribed", "complaint")


@pytest.mark.parametrize(
    "mail",
    [
        report(DEAD),
        complaint("abuse"),
        letter("From: mailer-daemon@x.example\r\nSubject: failure notice", "550 5.1.1 gone"),
    ],
)
def test_what_carries_no_token_of_ours_changes_nothing(world: World, sent: Issue, mail: bytes) -> None:
    forged = mail.replace(OF_OTHERS.encode(), OF_OTHERS[::-1].encode())
    assert take(world, forged) == Taken(Done.STRANGE)
    reader = tokens.reader(world.app.settings.keys, sent.id, world.subscription(ANN).id)
    assert take(world, mail.replace(OF_OTHERS.encode(), reader.encode())) == Taken(Done.STRANGE)
    assert (world.counts(sent), events(world), suppressed(world)) == ({"accepted": 2}, [], "")


@pytest.mark.parametrize("outcome", [NOT_WELCOME, Outcome(Result.TEMPORARY, "later", 450, "4.2.0", Stage.RECIPIENT)])
def test_what_was_never_accepted_can_not_bounce(world: World, outcome: Outcome) -> None:
    world.articles(draft(1))
    world.readers(ANN)
    issue = world.publish()
    assert take(world, of(world, issue, report(DEAD))) == Taken(Done.STRANGE)
    world.deliver(ToldCourier(lambda _: outcome))
    assert take(world, of(world, issue, report(DEAD))) == Taken(Done.STRANGE)
    assert take(world, of(world, 99, report(DEAD))) == Taken(Done.STRANGE)
    assert suppressed(world) == ""


def test_a_bounce_that_overtakes_the_ledger_is_read_again_later(world: World) -> None:
    world.articles(draft(1))
    world.readers(ANN)
    issue = world.publish()
    mail, early = of(world, issue, report(DEAD)), []

    def accepted(_: Envelope) -> Outcome:
        early.append(take(world, mail))
        return ACCEPTED

    world.deliver(ToldCourier(accepted))
    assert early == [Taken(Done.EARLY)]
    assert take(world, mail) == Taken(Done.HARD, True)


@pytest.mark.parametrize("again", [True, False])
def test_soft_bounces_in_a_row_give_an_address_up_unless_one_gets_through(world: World, again: bool) -> None:
    done = []
    for number in range(1, 7):
        issue = send(world, number)
        world.later(hours=1)
        if again or number != 3:
            done.append(take(world, of(world, issue, report(FULL))))
        world.later(days=6)
    assert suppressed(world) == ("bounce" if again else "")
    assert [taken.suppressed for taken in done[:5]] == [False] * 4 + [again]


def test_who_has_moved_since_is_not_blamed_for_the_address_before(world: World, sent: Issue) -> None:
    with world.app.database.write() as connection:
        ids, at = [world.subscription(ANN).id], world.app.now() + timedelta(minutes=1)
        consent.record(connection, ids, consent.MOVED, at, "link")
    assert take(world, of(world, sent, report(DEAD))) == Taken(Done.HARD)
    assert (suppressed(world), world.counts(sent)) == ("", {"accepted": 1, "bounced": 1})


def test_a_sign_up_whose_mail_comes_back_is_not_asked_again_and_an_active_readers_errand_says_nothing(
    world: World, sent: Issue
) -> None:
    assert take(world, of(world, 0, report(DEAD))) == Taken(Done.STRANGE)
    with world.app.database.write() as connection:
        connection.execute(schema.subscriptions.update().values(state="pending", confirm_mails=1))
    assert take(world, of(world, 0, report(FULL))) == Taken(Done.SOFT)
    assert take(world, of(world, 0, report(DEAD))) == Taken(Done.HARD, True)
    assert take(world, of(world, 0, report(DEAD))) == Taken(Done.KNOWN)
    assert suppressed(world) == "bounce"


def test_a_reader_who_was_erased_leaves_a_number(world: World, sent: Issue) -> None:
    from digest.flows.readers import erasure

    mail = of(world, sent, report(DEAD))
    erasure.erase(world.app.database, world.app.settings.state_dir, ANN, world.app.now())
    assert take(world, mail) == Taken(Done.HARD)
    assert (events(world), suppressed(world)) == ([], "erased")


# ------------------------------------------------------------------------------------ in the dialogue


def test_a_reader_unknown_at_rcpt_is_mailed_no_more_and_who_is_refused_for_our_sake_is(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    world.publish()
    outcomes = {READERS[0]: NO_SUCH_USER, READERS[1]: NOT_WELCOME}
    world.deliver(ToldCourier(lambda envelope: outcomes.get(envelope.recipient, ACCEPTED)))
    assert [suppressed(world, one) for one in READERS[:3]] == ["bounce", "", ""]
    assert events(world) == [("bounce", "hard")]


def test_refusals_that_outlast_every_try_count_as_soft_bounces(world: World) -> None:
    full = Outcome(Result.PERMANENT, "mailbox is full", 552, "5.2.2", Stage.RECIPIENT)
    for number in range(1, 6):
        world.articles(draft(number))
        if number == 1:
            world.readers(ANN)
        issue = world.publish()
        world.deliver(told(full, ANN))
        operate.retry_failed(world.app.database, issue.id, world.app.now())  # told twice, it was one issue
        world.deliver(told(full, ANN))
        assert events(world) == [("bounce", "soft")] * number
        assert suppressed(world) == ("bounce" if number == 5 else "")
        world.later(days=5)


def test_a_server_that_knows_nobody_says_so_of_itself(world: World) -> None:
    from digest.flows.delivery import refused

    tries = [(number, NO_SUCH_USER) for number in range(30)]
    assert refused.in_dialogue(tries, 50) == []
    assert len(refused.in_dialogue(tries, 500)) == 30
    assert len(refused.in_dialogue(tries[:10], 10)) == 10


# ------------------------------------------------------------------------------------------ the boxes


def run(world: World, *words: str, stdin: bytes = b"") -> str:
    result = CliRunner().invoke(cli.app, list(words), obj=Door(app=world.app), input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_maildir_is_read_by_kind_and_a_persons_letter_stays(world: World, sent: Issue, tmp_path: Path) -> None:
    new = tmp_path / "back" / "new"
    new.mkdir(parents=True)
    mails = {
        "1": of(world, sent, report(DEAD)),
        "2": of(world, sent, complaint("abuse"), "bob@x.example"),
        "3": report(DEAD),
        "4": letter("From: a reader <a@x.example>\r\nSubject: thanks", "Good issue."),
        "5": letter("From: a <a@x.example>\r\nSubject: away\r\nAuto-Submitted: auto-replied", "Back in May."),
    }
    for name, mail in mails.items():
        (new / name).write_bytes(mail)
    settings = FeedbackSettings(maildir=tmp_path / "back")
    world.app.settings = world.app.settings.model_copy(update={"feedback": settings})
    said = run(world, "feedback", "read")
    for part in ("mails read: 5", "hard bounces: 1", "complaints: 1", "not about mail of ours: 1", "suppressed: 2"):
        assert part in said
    assert [path.name for path in new.iterdir()] == ["4"]
    assert sorted(path.name for path in (tmp_path / "back" / "cur").iterdir()) == ["1:2,S", "2:2,S", "3:2,S", "5:2,S"]
    assert "mails read: 0" in run(world, "feedback", "read"), "a letter is looked at once"
    assert "mails read: 1 (known already: 1)" in run(world, "feedback", "read", "-", stdin=mails["1"])
    shown = run(world, "subscriber", "show", ANN)
    assert "hard bounce" in shown and "5.1.1" in shown
    assert "bounced: 1" in run(world, "report", str(sent.id))
    assert '"complaint": 1' in run(world, "feedback", "summary", "--json")


def test_no_mail_hides_those_behind_it(world: World, sent: Issue, tmp_path: Path) -> None:
    new = tmp_path / "back" / "new"
    (new / "1").mkdir(parents=True)
    (new / "2").write_bytes(of(world, sent, report(DEAD)).replace(b"5.1.1", b"5.1.1 \0 ", 1))
    (new / "3").write_bytes(of(world, sent, complaint("abuse"), "bob@x.example"))
    said = run(world, "feedback", "read", str(tmp_path / "back"))
    assert "mails read: 2" in said and "complaints: 1" in said
    assert suppressed(world, "bob@x.example") == "complaint"


def test_what_nobody_thought_of_leaves_the_mail_and_goes_on(
    world: World, sent: Issue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "back" / "new"
    new.mkdir(parents=True)
    (new / "1").write_bytes(b"the odd one")
    (new / "2").write_bytes(of(world, sent, report(DEAD)))
    read = sandbox.read_mail

    def odd(mail: bytes) -> MailRead:
        if mail.startswith(b"the odd"):
            raise LookupError("nobody thought of that")
        return read(mail)

    monkeypatch.setattr(feedback, "read_mail", odd)
    assert "hard bounces: 1" in run(world, "feedback", "read", str(tmp_path / "back"))
    assert [path.name for path in new.iterdir()] == ["1"]


def _beyond_a_limit(mail: bytes, read: Callable[[bytes], MailRead] = sandbox.read_mail) -> MailRead:
    if mail.startswith(b"the bomb"):
        raise InputError("the mail can't be read: it takes more than 10 s of computing")
    return read(mail)


def test_a_mail_beyond_a_limit_is_put_aside_with_a_flag_and_never_read_again(
    world: World, sent: Issue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "back" / "new"
    new.mkdir(parents=True)
    (new / "1").write_bytes(b"the bomb")
    (new / "2").write_bytes(of(world, sent, report(DEAD)))
    monkeypatch.setattr(feedback, "read_mail", _beyond_a_limit)
    told = run(world, "feedback", "read", str(tmp_path / "back"))
    assert "hard bounces: 1" in told and "flagged" in told
    assert sorted(path.name for path in (tmp_path / "back" / "cur").iterdir()) == ["1:2,FS", "2:2,S"]
    assert "mails read: 0" in run(world, "feedback", "read", str(tmp_path / "back"))


def test_beat_reads_what_the_settings_name_and_a_missing_folder_stops_nothing(
    world: World, sent: Issue, tmp_path: Path
) -> None:
    from workers import tasks

    new = tmp_path / "back" / "new"
    new.mkdir(parents=True)
    (new / "1").write_bytes(of(world, sent, report(DEAD)))
    world.app.boxes = [mailboxes.Maildir(tmp_path / "none"), mailboxes.Maildir(tmp_path / "back")]
    tasks.read_feedback(world.app)
    assert suppressed(world) == "bounce" and not list(new.iterdir())
    assert "feedback" not in tasks.make_workers(world.app.settings).conf.beat_schedule
    named = world.app.settings.model_copy(update={"feedback": FeedbackSettings(maildir=tmp_path / "back")})
    assert "feedback" in tasks.make_workers(named).conf.beat_schedule


def test_an_mbox_is_read_and_stays_as_it_is(world: World, sent: Issue, tmp_path: Path) -> None:
    both = [of(world, sent, report(DEAD)), of(world, sent, report(FULL), "bob@x.example")]
    file = tmp_path / "bounces.mbox"
    file.write_bytes(b"".join(b"From - Mon Nov 23 06:00:00 2026\n" + mail.replace(b"\r", b"") + b"\n" for mail in both))
    before = file.read_bytes()
    assert "mails read: 2 (hard bounces: 1, soft bounces: 1)" in run(world, "feedback", "read", str(file))
    assert file.read_bytes() == before
    with pytest.raises(NotFoundError, match="there is no"):
        run(world, "feedback", "read", str(tmp_path / "nothing"))


def test_an_imap_mailbox_is_read_and_what_was_done_is_marked_as_seen(
    world: World, sent: Issue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "read_mail", _beyond_a_limit)
    person = letter("From: a reader <a@x.example>\r\nSubject: thanks", "Good issue.")
    mails = {3: of(world, sent, report(DEAD)), 5: person, 8: of(world, sent, report(FULL), "bob@x.example")}
    mails[9] = b"the bomb"
    with serve(tmp_path, mails) as (server, certificate):
        imap = ImapSettings(
            host="127.0.0.1",
            port=server.port,
            username="bounces",
            password=SecretStr(PASSWORD),
            folder="Bounces",
            ca_file=certificate,
        )
        settings = FeedbackSettings(imap=imap)
        world.app.settings = world.app.settings.model_copy(update={"feedback": settings})
        told = run(world, "feedback", "read")
        assert "mails read: 4 (hard bounces: 1, left for a person: 1, soft bounces: 1, put aside and flagged" in told
        assert (server.seen, server.flagged) == ({3, 8, 9}, {9})
        assert "mails read: 0" in run(world, "feedback", "read")
        for wrong in ({"password": SecretStr("guess")}, {"folder": "Nowhere"}, {"ca_file": None}, {"port": 1}):
            with pytest.raises(UnavailableError, match=r"can't be read .*\[feedback.imap\]"):
                list(mailboxes.Imap(imap.model_copy(update=wrong)).mails())


def test_an_address_that_was_given_up_can_be_mailed_again_by_hand(world: World, sent: Issue) -> None:
    take(world, of(world, sent, report(DEAD)))
    assert audience.unsuppress(world.app.database, ANN, world.app.now())
    world.later(days=1)
    world.articles(draft(2))
    world.publish()
    courier = ToldCourier()
    world.deliver(courier)
    assert ANN in courier.recipients
