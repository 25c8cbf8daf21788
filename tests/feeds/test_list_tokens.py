"""The signed lists of one node: when one is made anew, and when none is given."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import jwt
import pytest

from counterfoil.errors import IssuerUnavailable, NotFound, StoreUnavailable
from counterfoil.feeds import list_tokens
from counterfoil.feeds.list_tokens import ListTokens, Signed
from counterfoil.status_change import Position
from counterfoil.status_mirror import StatusMirror
from counterfoil.status_token import TTL
from decoding import decoded, statuses
from feeding import STATUS_KEY, at, feed_read
from forging import ISSUER, KEYS, NOW
from nodes import SECOND, Node, Watched, node

if TYPE_CHECKING:
    from collections.abc import Iterator

TICK: Final = timedelta(microseconds=1)
RENEWED: Final = list_tokens.RENEW_AFTER
LATE: Final = list_tokens.LATE


class Mirrored:
    """A mirror that a test moves, and the lists signed from it."""

    def __init__(self) -> None:
        self.mirror = StatusMirror()
        self.lists = ListTokens(ISSUER, self.mirror)
        self.uptime = 100.0
        self.now = NOW
        self.number = 0
        self.mirror.apply(feed_read(None, 0), began=self.uptime, at=self.now)

    def later(self, span: timedelta, *, revoked: int | None = None) -> None:
        """Time goes by, and the mirror has read on."""
        self.uptime += max(0.0, span.total_seconds())
        self.now += span
        before = self.number
        changes = () if revoked is None else (("a", revoked, 1),)
        self.number += len(changes)
        self.mirror.apply(
            feed_read(before, self.number, *changes),
            began=self.uptime,
            at=self.now,
        )

    def current(self, name: str = "a", *, at_least: Position | None = None) -> Signed:
        return self.lists.current(name, key=STATUS_KEY, uptime=self.uptime, at_least=at_least)


@pytest.fixture
def mirrored() -> Mirrored:
    return Mirrored()


def entry(signed: Signed, index: int) -> int:
    payload = jwt.decode(signed.token, options={"verify_signature": False})
    assert payload["counterfoil_position"] == [signed.position.epoch, signed.position.number]
    assert payload["exp"] == int(signed.expires_at.timestamp())
    return statuses(decoded(payload["status_list"]["lst"]), payload["status_list"]["bits"])[index]


def test_the_same_list_is_given_while_it_is_good_for_long_yet(mirrored: Mirrored) -> None:
    """Packing a full one takes milliseconds, and a cache on the way keeps what has the same tag."""
    first = mirrored.current()
    mirrored.later(RENEWED - TICK)
    assert mirrored.current() is first
    assert mirrored.current("b") is not first


def test_a_list_is_renewed_before_it_expires(mirrored: Mirrored) -> None:
    """So that who is given one can use it for most of its minute."""
    first = mirrored.current()
    mirrored.later(RENEWED)
    second = mirrored.current()
    assert second.token != first.token
    assert second.issued_at == first.issued_at + RENEWED
    assert second.expires_at == second.issued_at + timedelta(seconds=60)
    assert 2 * RENEWED < TTL


def test_a_change_is_in_the_list_that_is_fetched_next(mirrored: Mirrored) -> None:
    """Whoever signs out and looks finds it there."""
    mirrored.current()
    for index in range(10):
        mirrored.later(TICK, revoked=index)
        assert entry(mirrored.current(), index) == 1


def test_in_a_storm_of_revocations_a_list_is_packed_twenty_times_a_second(
    mirrored: Mirrored,
) -> None:
    """However often it changes and is fetched; and it is late by a second at most."""
    given = []
    for number in range(2000):
        mirrored.later(timedelta(milliseconds=5), revoked=number % 1000)
        given.append(mirrored.current())
        assert mirrored.now - given[-1].issued_at < LATE
    assert 200 <= len({each.token for each in given}) <= 230


def test_who_has_heard_of_a_change_is_given_it(mirrored: Mirrored) -> None:
    """A verifier that begins reads on from the list; an older one would cost it a gap."""
    mirrored.current()
    mirrored.later(TICK, revoked=7)
    second = mirrored.current(at_least=at(1))
    assert (second.position, entry(second, 7)) == (at(1), 1)
    assert mirrored.current(at_least=at(0)) is second
    assert mirrored.current() is second


@pytest.mark.parametrize("position", [at(1), at(99), at(0, "epoch-2")])
def test_a_node_that_has_not_come_so_far_says_so(mirrored: Mirrored, position: Position) -> None:
    """No older list in place of the one that is asked for."""
    with pytest.raises(IssuerUnavailable, match="not come so far"):
        mirrored.current(at_least=position)


def test_s21_nothing_is_signed_from_a_mirror_that_is_too_old(mirrored: Mirrored) -> None:
    """A minute later it would be believed still: whoever cannot read the store vouches for nothing,
    a list that was signed before included."""
    mirrored.current()
    mirrored.uptime += list_tokens.STALE
    mirrored.current()
    mirrored.uptime += 0.001
    with pytest.raises(IssuerUnavailable, match="cannot read its store"):
        mirrored.current()
    mirrored.later(SECOND)
    mirrored.current()


def test_a_list_is_as_old_as_the_read_that_it_rests_on(mirrored: Mirrored) -> None:
    """However much later it is signed."""
    mirrored.uptime += 4
    mirrored.now += 4 * SECOND
    assert mirrored.current().issued_at == NOW


def test_a_wall_clock_that_was_set_back_has_the_list_signed_anew(mirrored: Mirrored) -> None:
    """Else it would be one of the future for as long as the clock was wrong."""
    first = mirrored.current()
    mirrored.later(timedelta(hours=-1))
    assert mirrored.current().issued_at == first.issued_at - timedelta(hours=1)


def test_a_key_that_signs_no_more_has_the_list_signed_anew(mirrored: Mirrored) -> None:
    """At once: it may have been distrusted."""
    mirrored.current()
    keys = KEYS.distrust(STATUS_KEY.kid, now=NOW)
    key = keys.active("ES256", "status")
    signed = mirrored.lists.current("a", key=key, uptime=mirrored.uptime)
    assert signed.kid == key.kid != STATUS_KEY.kid
    assert jwt.get_unverified_header(signed.token)["kid"] == key.kid


def test_a_list_that_is_dropped_is_not_found_and_not_kept(mirrored: Mirrored) -> None:
    """Nor is one that never was."""
    mirrored.current("b")
    only_a = feed_read(0, 0, lists=feed_read(0, 0).lists[:1])
    mirrored.mirror.apply(only_a, began=mirrored.uptime, at=mirrored.now)
    for name in ("b", "c", ""):
        with pytest.raises(NotFound):
            mirrored.current(name)
    mirrored.current()
    assert mirrored.lists.uris() == [f"{ISSUER}/status/lists/a"]
    assert mirrored.lists._signed.keys() == {"a"}  # noqa: SLF001 - memory is not seen outside


@pytest.fixture
def store() -> Watched:
    return Watched()


@pytest.fixture
def issuer(store: Watched, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    with node(monkeypatch, store=store) as found:
        yield found


def test_a_node_reads_on_for_a_list_that_it_is_behind_of(issuer: Node) -> None:
    """A list that was announced elsewhere, or a change that was committed there."""
    opened = issuer.open()
    issuer.told()
    (index,) = opened.session.indices
    epoch, number = issuer.position.epoch, issuer.position.number
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setattr(issuer.published.feed, "catch_up", lambda: None)
        issuer.revoke(opened)
    assert issuer.position.number == number
    signed = issuer.published.signed_list(index.list_id, at_least=Position(epoch, number + 1))
    assert entry(signed, index.index) == 1


def test_s21_without_its_store_a_node_gives_no_list_for_long(issuer: Node, store: Watched) -> None:
    """What it read a few seconds ago stands for a few seconds."""
    opened = issuer.open()
    issuer.told()
    (index,) = opened.session.indices
    store.trouble = StoreUnavailable()
    issuer.published.signed_list(index.list_id)
    with pytest.raises(StoreUnavailable):
        issuer.published.signed_list("unknown")
    issuer.clock.advance(timedelta(seconds=list_tokens.STALE, microseconds=1))
    with pytest.raises(IssuerUnavailable):
        issuer.published.signed_list(index.list_id)
