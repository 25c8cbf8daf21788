"""How a verifier follows an issuer, request by request: what it asks next and what it believes."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil import Client
from counterfoil.errors import SessionRevoked, SessionUnknown, StatusStale
from counterfoil.feeds import following as rules
from counterfoil.status_change import Position
from counterfoil.status_feed import LONGEST_WAIT, MOST_CHANGES
from counterfoil.status_mirror import ListUnknown
from nodes import SECOND, Pair, Watched, node, verifier_of
from scenes import API, START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.feeds.following import Get
    from nodes import Node, Reply

HOUR: Final = timedelta(hours=1)
TEN: Final = 10 * SECOND


@pytest.fixture
def store() -> Watched:
    return Watched()


@pytest.fixture
def issuer(store: Watched, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    with node(monkeypatch, store=store) as found:
        yield found


@pytest.fixture
def pair(issuer: Node) -> Pair:
    """A verifier that has its keys, of an issuer that has its lists."""
    issuer.told()
    pair = verifier_of(issuer)
    pair.fetch_keys()
    return pair


def kinds(pair: Pair, steps: int) -> list[str]:
    """What it asks for: the feed from where, or a list."""
    found = []
    for _ in range(steps):
        get = pair.step()
        if get.question is not None:
            position = get.question.position
            found.append("begin" if position is None else f"from {position.number}")
        else:
            found.append("list")
    return found


def test_without_keys_nothing_is_asked(issuer: Node) -> None:
    """No answer could be read. As soon as they are there, all else is due."""
    pair = verifier_of(issuer)
    assert pair.following.due_in() == float("inf")
    assert pair.following.ask() is None
    pair.fetch_keys()
    assert pair.following.due_in() < 0
    assert pair.following.ask() is not None


def test_a_cold_start_is_directory_lists_and_what_came_since(pair: Pair) -> None:
    """Until all of that is in, nothing is known; then all of it is."""
    revoked, kept = pair.node.open(), pair.node.open()
    pair.node.revoke(revoked)
    assert kinds(pair, 3) == ["begin", "list", "list"]
    assert pair.refusal(revoked) is pair.refusal(kept) is StatusStale
    assert not pair.following.is_ready()
    assert kinds(pair, 2) == ["from 1", "from 1"]
    assert (pair.refusal(revoked), pair.refusal(kept)) == (SessionRevoked, None)
    assert pair.following.is_ready()


def test_an_issuer_that_has_no_list_yet_is_followed_too(issuer: Node) -> None:
    """It announces its first ones when it is asked; they come in the next answer, without a GET."""
    pair = verifier_of(issuer)
    pair.fetch_keys()
    assert kinds(pair, 3) == ["begin", "from 0", "from 0"]
    assert len(pair.following.mirror.lists) == 2
    opened = issuer.open()
    pair.step()
    assert pair.refusal(opened) is None


def test_changes_come_with_the_next_answer(pair: Pair) -> None:
    """In the order in which they were committed."""
    opened = [pair.node.open() for _ in range(5)]
    pair.settle()
    for number, each in enumerate(opened, start=1):
        pair.node.revoke(each)
        get = pair.step()
        assert get.question is not None
        assert get.question.position == Position(pair.node.position.epoch, number - 1)
    assert [pair.refusal(each) for each in opened] == [SessionRevoked] * 5


def test_lists_that_stand_at_different_positions_are_read_on_from_the_earliest(pair: Pair) -> None:
    """What one of them has already is applied to it again, which harms nothing."""
    sessions = [pair.node.open() for _ in range(3)]
    assert kinds(pair, 2) == ["begin", "list"]
    for each in sessions:
        pair.node.revoke(each)
    assert kinds(pair, 2) == ["list", "from 0"]
    assert [pair.refusal(each) for each in sessions] == [SessionRevoked] * 3
    assert pair.following.mirror.position == pair.node.position


def test_a_list_announced_during_the_start_is_new(pair: Pair) -> None:
    """It is in the directory of the answer that reads on, and what was said of it too."""
    kinds(pair, 3)
    pair.clock.advance(2 * HOUR)
    late, kept = pair.node.open(), pair.node.open()
    pair.node.revoke(late)
    pair.settle()
    assert (pair.refusal(late), pair.refusal(kept)) == (SessionRevoked, None)


def test_a_list_that_is_gone_before_it_was_fetched_begins_the_start_again(pair: Pair) -> None:
    """With a directory of now."""
    assert kinds(pair, 1) == ["begin"]
    pair.clock.advance(2 * HOUR)
    pair.node.told()
    assert kinds(pair, 2) == ["list", "begin"]
    pair.settle()
    assert pair.refusal(pair.node.open()) is None


@pytest.mark.parametrize("status", [404, 500, 503, 304, 302])
def test_a_list_that_does_not_come_begins_the_start_again(pair: Pair, status: int) -> None:
    """Whatever comes in its place."""
    broken = [status]

    def between(get: Get, reply: Reply) -> Reply:
        return (broken.pop(), b"") if get.wanted is not None and broken else reply

    pair.between = between
    assert kinds(pair, 4) == ["begin", "list", "begin", "list"]
    pair.settle()


def test_too_much_at_once_is_read_from_the_lists(pair: Pair, store: Watched) -> None:
    """What is known goes on ageing meanwhile, and is not thrown away before there is better."""
    opened, kept = pair.node.open(), pair.node.open()
    pair.settle()
    pair.node.revoke(opened)
    store._number += MOST_CHANGES  # noqa: SLF001 - as if so many had been committed
    begun = pair.step()
    assert begun.question is not None
    assert (pair.refusal(opened), pair.refusal(kept)) == (None, None)
    assert kinds(pair, 2) == ["list", "list"]
    pair.step()
    assert (pair.refusal(opened), pair.refusal(kept)) == (SessionRevoked, None)


def test_a_new_epoch_is_begun_cold(pair: Pair, store: Watched) -> None:
    """Numbers of the former one mean nothing in it."""
    opened = pair.node.open()
    pair.settle()
    store.epoch, store._number = "epoch-2", 0  # noqa: SLF001 - as a restore leaves it
    pair.node.revoke(opened)
    assert kinds(pair, 2)[1] == "list"
    pair.settle()
    assert pair.following.mirror.position == Position("epoch-2", 1)
    assert pair.refusal(opened) is SessionRevoked


def test_s21_an_answer_with_a_gap_is_not_applied(pair: Pair) -> None:
    """A list that was there before comes back after the issuer's clock was set right: what was said
    of it is not in this answer, so all of it is read again."""
    opened = pair.node.open()
    pair.settle()
    pair.node.revoke(opened)
    pair.clock.turn_to(START + 3 * HOUR)
    pair.settle()
    assert pair.refusal(opened) is ListUnknown
    pair.clock.turn_to(START)
    assert kinds(pair, 2)[1] == "begin"
    pair.settle()
    assert pair.refusal(opened) is SessionRevoked


def test_s21_an_answer_to_a_question_that_is_not_out_is_not_looked_at(pair: Pair) -> None:
    """Late, twice, or after the request was given up: it neither renews nor lowers anything."""
    opened = pair.node.open()
    pair.settle()
    early = pair.following.ask()
    assert early is not None
    nothing = pair.node.reply(early.url)
    pair.following.failed(early, "too late")
    pair.following.took(early, *nothing)
    assert pair.following.is_failing
    assert pair.following.connected_since is None
    pair.node.revoke(opened)
    pair.settle()
    position = pair.following.mirror.position
    pair.clock.advance(9 * SECOND)
    age = pair.following.knowledge().status_age
    pair.following.took(early, *nothing)
    pair.following.failed(early, "again")
    last = pair.step()
    renewed = pair.following.knowledge().status_age
    pair.following.took(last, *nothing)
    pair.following.took(last, 500, b"")
    assert renewed <= age
    assert [pair.following.is_failing] == [False]
    assert pair.following.mirror.position == position
    assert pair.refusal(opened) is SessionRevoked


def test_s21_a_replayed_answer_is_none(pair: Pair) -> None:
    """Genuine, and of a minute ago: it belongs to another question."""
    opened = pair.node.open()
    pair.settle()
    kept: list[Reply] = []
    pair.between = lambda _, reply: kept.append(reply) or reply  # type: ignore[func-returns-value]
    pair.step()
    pair.node.revoke(opened)
    pair.between = lambda _, __: kept[0]
    for _ in range(3):
        pair.step()
        assert pair.following.is_failing
    pair.clock.advance(TEN)
    assert pair.refusal(opened) is StatusStale


def test_freshness_counts_from_when_the_request_was_made(pair: Pair) -> None:
    """Never from when the answer came, and not from the issuer's word."""
    opened = pair.node.open()
    pair.settle()
    at = pair.clock.now()
    get = pair.following.ask()
    assert get is not None
    reply = pair.node.reply(get.url)
    waited = pair.clock.now() - at
    pair.clock.advance(9 * SECOND - waited)
    pair.following.took(get, *reply)
    assert pair.following.knowledge().status_age == pytest.approx(9)
    assert pair.following.mirror.as_of == at
    assert pair.refusal(opened) is None
    pair.clock.advance(SECOND)
    assert pair.refusal(opened) is StatusStale


def test_it_waits_for_news_for_a_third_of_max_staleness_and_begins_without(pair: Pair) -> None:
    """After a failure it does not wait either: first it wants to know where it stands."""
    asked = [get.question.wait for get in (pair.step(), pair.step(), pair.step()) if get.question]
    assert set(asked) == {timedelta(0)}
    pair.settle()
    get = pair.step()
    assert get.question is not None
    assert 0.9 * TEN / 3 <= get.question.wait <= TEN / 3
    assert get.within <= TEN.total_seconds() * 2 / 3
    pair.between = lambda *_: None
    pair.step()
    after = pair.step()
    assert after.question is not None
    assert after.question.wait == timedelta(0)


def test_each_question_has_a_nonce_of_its_own(pair: Pair) -> None:
    """And all of them the name of this process's verifier."""
    pair.settle()
    questions = [get.question for _ in range(20) if (get := pair.step()).question is not None]
    assert len({question.nonce for question in questions}) == 20
    assert len({question.verifier for question in questions}) == 1
    pair.following.forked()
    child = pair.step().question
    assert child is not None
    assert child.verifier != questions[0].verifier


def test_an_issuer_that_never_had_a_feed_is_asked_now_and_then(issuer: Node) -> None:
    """404 at first: there is nothing to wait for; what has a status is refused all the same."""
    pair = verifier_of(issuer)
    pair.fetch_keys()
    pair.between = lambda *_: (404, b"")
    pair.step()
    assert not pair.following.has_feed
    assert pair.following.is_ready()
    assert pair.refusal(issuer.open()) is StatusStale
    assert rules.NO_FEED_PAUSE / 2 <= pair.following.due_in() <= rules.NO_FEED_PAUSE
    pair.between = lambda _, reply: reply
    pair.settle()
    assert pair.following.has_feed


def test_404_later_is_not_the_issuers_word(pair: Pair) -> None:
    """Somebody on the way has lost it; it is asked again soon, and what is known ages."""
    opened = pair.node.open()
    pair.settle()
    pair.between = lambda *_: (404, b"")
    pair.step()
    assert pair.following.has_feed
    assert pair.following.due_in() <= 2.5
    pair.clock.advance(TEN)
    assert not pair.following.is_ready()
    assert pair.refusal(opened) is StatusStale


@pytest.mark.parametrize("max_staleness", [1, 10, 60])
def test_s21_a_silent_feed_is_asked_again_soon_and_more_rarely(
    monkeypatch: pytest.MonkeyPatch, max_staleness: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Never more rarely than four times in max_staleness, nor than every two seconds; with jitter,
    so that a thousand verifiers do not come back in step. It is logged once."""
    client = replace(API, max_staleness=timedelta(seconds=max_staleness))
    with node(monkeypatch, client) as issuer:
        issuer.told()
        pair = verifier_of(issuer)
        pair.fetch_keys()
        pair.settle()
        pair.step()
        assert pair.following.due_in() < 0
        pair.between = lambda *_: (503, b"")
        pauses = []
        with caplog.at_level(logging.WARNING, "counterfoil.verifier"):
            for _ in range(12):
                pair.step()
                pauses.append(pair.following.due_in())
        most = min(2.0, max_staleness / 4)
        assert pauses[0] <= 0.1
        assert all(most / 2 <= pause <= most for pause in pauses[6:])
        assert len(set(pauses[6:])) > 3
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        pair.between = lambda _, reply: reply
        pair.step()
        assert pair.following.due_in() < 0


def test_a_directory_that_names_what_is_not_ours_is_refused(pair: Pair) -> None:
    """A token that names a list which the directory lacks, or no entry of it."""
    pair.settle()
    uptime = pair.clock.uptime()
    (name, *_) = pair.following.mirror.lists
    for list_id, index in (("unknown", 0), ("", 0), (name, 2**20), (name, -1)):
        with pytest.raises(SessionUnknown):
            pair.following.require_valid("api", list_id, index, uptime=uptime)


def test_a_verifier_knows_how_much_it_knows(pair: Pair) -> None:
    """For health and metrics."""
    before = pair.following.knowledge()
    assert before.status_age == float("inf")
    assert (before.is_current, before.position, before.max_staleness) == (False, None, None)
    assert before.connected_since is None
    pair.settle()
    since = pair.following.mirror.as_of
    pair.clock.advance(SECOND)
    found = pair.following.knowledge()
    assert found.is_current
    assert found.status_age == pytest.approx(1, abs=0.01)
    assert (found.position, found.max_staleness) == (pair.node.position, TEN)
    assert found.connected_since == since
    pair.between = lambda *_: None
    pair.step()
    assert pair.following.knowledge().connected_since is None
    pair.clock.advance(TEN)
    assert not pair.following.knowledge().is_current


def test_a_client_that_may_know_more_slowly_passes_for_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each client by its own bound."""
    slow = Client(client_id="slow", strategy="hybrid", max_staleness=30 * SECOND)
    with node(monkeypatch, API, slow) as issuer:
        opened, slower = issuer.open(), issuer.open(client_id="slow")
        pair = verifier_of(issuer)
        pair.fetch_keys()
        pair.settle()
        pair.clock.advance(TEN)
        assert pair.refusal(opened) is StatusStale
        assert pair.refusal(slower, client_id="slow") is None
        pair.clock.advance(2 * TEN)
        assert pair.refusal(slower, client_id="slow") is StatusStale


def test_the_longest_wait_suits_the_longest_bound() -> None:
    """A third of a minute."""
    assert timedelta(minutes=1) == 3 * LONGEST_WAIT
