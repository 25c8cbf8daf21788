"""A cache on the way that keeps whatever it saw, failures too, and however old it has become: it
holds a verifier up by a request, and not for as long as it keeps things."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from counterfoil.errors import SessionRevoked
from nodes import SECOND, Pair, node, verifier_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.feeds.following import Get
    from nodes import Node, Reply

Kept = dict[str, "Reply"]


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    with node(monkeypatch) as found:
        found.told()
        yield found


def behind(kept: Kept, issuer: Node) -> Pair:
    """A verifier behind a cache that keeps what it was answered at each address."""

    def cached(get: Get, reply: Reply) -> Reply:
        return kept.setdefault(get.url, reply)

    pair = verifier_of(issuer)
    pair.between = cached
    return pair


def fetch_keys(pair: Pair, kept: Kept, *, down: bool = False) -> str:
    """By the same cache; where the issuer is down the cache has that to say."""
    keys = pair.following.keys
    url = keys.begin()
    keys.answered(*kept.setdefault(url, (502, b"") if down else pair.node.reply(url)))
    return url


def test_a_list_that_was_kept_too_long_is_asked_for_at_another_address(issuer: Node) -> None:
    """A verifier that starts an hour after another one, in which nothing has happened, would be
    given that one's lists, and is not to be kept from starting by them."""
    kept: Kept = {}
    opened, revoked = issuer.open(), issuer.open()
    issuer.revoke(revoked)
    first = behind(kept, issuer)
    fetch_keys(first, kept)
    first.settle()
    issuer.clock.advance(timedelta(minutes=10))
    issuer.told()
    late = behind(kept, issuer)
    fetch_keys(late, kept)
    late.settle()
    assert (late.refusal(opened), late.refusal(revoked)) == (None, SessionRevoked)


def test_a_verifier_that_knows_asks_at_the_usual_address_again(issuer: Node) -> None:
    """So that the caches which do as they are told can serve most."""
    pair = behind({}, issuer)
    fetch_keys(pair, {})
    pair.between = lambda get, reply: None if get.wanted is not None else reply
    assert "fresh=" not in _lists_asked(pair)
    pair.between = lambda _, reply: reply
    assert "fresh=" in _lists_asked(pair)
    pair.settle()
    pair.following._begin_again()  # noqa: SLF001 - as after a gap
    assert "fresh=" not in _lists_asked(pair)


def _lists_asked(pair: Pair) -> str:
    """The URL of the next list that is asked for."""
    while True:
        get = pair.step()
        if get.wanted is not None:
            return get.url


def test_keys_that_could_not_be_fetched_are_asked_for_at_another_address(issuer: Node) -> None:
    """What was kept of an outage is not the answer when it is over."""
    kept: Kept = {}
    pair = behind(kept, issuer)
    usual = fetch_keys(pair, kept, down=True)
    assert usual.endswith("/jwks.json")
    assert pair.following.keys.for_status() is None
    first, second = (fetch_keys(pair, kept, down=True) for _ in range(2))
    assert len({usual, first, second}) == 3
    fetch_keys(pair, kept)
    pair.settle()
    assert fetch_keys(pair, kept) == usual


def test_keys_that_lack_the_one_that_signs_are_asked_for_at_another_address(issuer: Node) -> None:
    """Two keys for status have been distrusted since a cache saw the set."""
    kept: Kept = {}
    fetch_keys(behind(kept, issuer), kept)
    keys, clock = issuer.published.keys, issuer.clock
    for _ in range(2):
        active = keys.signing_keys().active("ES256", "status").kid
        keys.update(lambda held, kid=active: held.distrust(kid, now=clock.now()))  # type: ignore[misc]
    pair = behind(kept, issuer)
    fetch_keys(pair, kept)
    pair.step()
    assert pair.following.connected_since is None
    clock.advance(10 * SECOND)
    assert pair.following.keys.due_in() <= 0
    fetch_keys(pair, kept)
    pair.settle()
    assert pair.refusal(issuer.open()) is None
