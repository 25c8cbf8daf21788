"""What a verifier goes by besides the statuses: bounds, keys, and how far it has once come."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil.drive import drive
from counterfoil.errors import KeyUnknown, SessionRevoked, StatusStale
from counterfoil.feeds.following import JWKS
from counterfoil.feeds.jwks import COOL_DOWN, COOL_DOWN_OF_FEED
from counterfoil.status_feed import MOST_CHANGES
from nodes import SECOND, Behind, Pair, Watched, node, own_keys, verifier_of
from scenes import API, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from counterfoil.client import Client
    from counterfoil.feeds.following import Get
    from counterfoil.keys import PublicKeySet
    from nodes import Node, Reply

TEN: Final = 10 * SECOND
COOLED: Final = timedelta(seconds=COOL_DOWN)


@pytest.fixture
def store() -> Watched:
    return Watched()


@pytest.fixture
def issuer(store: Watched, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    with node(monkeypatch, store=store) as found:
        found.told()
        yield found


def connected(issuer: Node, **settings: object) -> Pair:
    """A verifier that knows all."""
    pair = verifier_of(issuer, **settings)
    pair.fetch_keys()
    pair.settle()
    return pair


def keys_of(pair: Pair) -> PublicKeySet:
    return pair.following.keys.current(uptime=pair.clock.uptime())


def bounded(issuer: Node, **seconds: int) -> None:
    """The issuer's clients have these bounds from now on."""
    clients: dict[str, Client] = {
        name: replace(API, client_id=name, max_staleness=timedelta(seconds=span))
        for name, span in seconds.items()
    }
    issuer.published.clients = clients


def test_a_verifier_may_tighten_the_bound(issuer: Node) -> None:
    """It waits for less long then, too."""
    pair = connected(issuer, tightest=3 * SECOND)
    opened = issuer.open()
    pair.step()
    assert pair.following.max_staleness == 3 * SECOND
    get = pair.step()
    assert get.question is not None
    assert get.question.wait <= SECOND
    pair.clock.advance(3 * SECOND)
    assert pair.refusal(opened) is StatusStale


def test_a_verifier_cannot_loosen_the_bound(issuer: Node) -> None:
    """Asked for more than the issuer says, it gets what the issuer says; of each client."""
    bounded(issuer, api=5, slow=60)
    pair = connected(issuer, tightest=30 * SECOND)
    opened = issuer.open()
    pair.step()
    assert pair.following.max_staleness == 5 * SECOND
    pair.clock.advance(5 * SECOND)
    assert pair.refusal(opened) is StatusStale
    assert pair.refusal(opened, client_id="slow") is None
    pair.clock.advance(25 * SECOND)
    assert pair.refusal(opened, client_id="slow") is StatusStale


def test_a_bound_that_the_issuer_tightens_is_heard_at_once(issuer: Node) -> None:
    """In the answer to who waits, though no status has changed."""
    pair = connected(issuer)
    opened = issuer.open()
    pair.step()
    bounded(issuer, api=2)
    issuer.published.feed.catch_up()
    pair.step()
    assert pair.following.max_staleness == 2 * SECOND
    pair.clock.advance(2 * SECOND)
    assert pair.refusal(opened) is StatusStale


def test_a_bound_that_is_loosened_makes_nothing_fresher_that_is_known(
    issuer: Node, store: Watched
) -> None:
    """Told with a directory, before the lists are here: what the mirror still holds was promised
    under the old bound."""
    pair = connected(issuer)
    opened = issuer.open()
    pair.step()
    issuer.revoke(opened)
    pair.clock.advance(TEN)
    assert pair.refusal(opened) is StatusStale
    bounded(issuer, api=60)
    store._number += MOST_CHANGES  # noqa: SLF001 - as if so many had been committed
    get = pair.step()
    assert get.question is not None
    assert pair.refusal(opened) is StatusStale
    assert not pair.following.is_current()
    pair.settle()
    assert pair.refusal(opened) is SessionRevoked
    assert pair.following.max_staleness == 60 * SECOND


@pytest.fixture
def lagging(
    issuer: Node, store: Watched, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int], Node]]:
    """Makes another node of the same issuer, which knows nothing after a number."""
    with ExitStack() as stack:

        def made(number: int) -> Node:
            behind, clock = Behind(store, number), issuer.clock
            more = {"store": store, "face": behind, "keys": own_keys(), "clock": clock}
            return stack.enter_context(node(monkeypatch, **more))

        yield made


def test_s21_a_lagging_node_cannot_take_a_verifier_back(
    issuer: Node, lagging: Callable[[int], Node]
) -> None:
    """It is asked from a position that it has not, and says so."""
    pair = connected(issuer)
    opened = issuer.open()
    number = issuer.position.number
    issuer.revoke(opened)
    pair.settle()
    late = lagging(number)
    pair.between = lambda get, _: late.reply(get.url)
    for _ in range(3):
        pair.step()
        assert pair.following.is_failing
    assert pair.refusal(opened) is SessionRevoked


def test_s21_a_verifier_that_begins_again_knows_how_far_it_had_come(
    issuer: Node, store: Watched, lagging: Callable[[int], Node]
) -> None:
    """A lagging node is not believed then either, though it is asked from nowhere."""
    pair = connected(issuer)
    opened = issuer.open()
    number = issuer.position.number
    issuer.revoke(opened)
    pair.settle()
    store._number += MOST_CHANGES + 1  # noqa: SLF001 - as if so many had been committed
    pair.step()
    late = lagging(number)
    pair.between = lambda get, _: late.reply(get.url)
    for _ in range(8):
        pair.step()
    assert pair.refusal(opened) is SessionRevoked
    pair.between = lambda _, reply: reply
    pair.settle()
    assert pair.refusal(opened) is SessionRevoked


def test_s21_what_a_list_said_is_not_undone_by_a_node_that_lags(
    issuer: Node, lagging: Callable[[int], Node]
) -> None:
    """One list came from a node that knew more than the one which answers next, and which is asked
    from where the other list stood."""
    opened = issuer.open()
    number = issuer.position.number
    pair = verifier_of(issuer)
    pair.fetch_keys()
    pair.step()
    late = lagging(number + 2)
    (index,) = opened.session.indices
    issuer.scene.auth._parts.feed.catch_up()  # type: ignore[union-attr]  # noqa: SLF001 - up to date
    suspend_and_reinstate(issuer)
    issuer.revoke(opened)

    def between(get: Get, reply: Reply) -> Reply:
        own = get.wanted is not None and get.wanted.id == index.list_id
        return reply if own else late.reply(get.url)

    pair.between = between
    for _ in range(8):
        pair.step()
        assert pair.refusal(opened) in {StatusStale, SessionRevoked}


def suspend_and_reinstate(issuer: Node) -> None:
    drive(issuer.scene.auth.suspend("ann"))
    drive(issuer.scene.auth.reinstate("ann"))


def test_a_key_that_the_feed_does_not_name_is_not_trusted_any_more(issuer: Node) -> None:
    """At once; and a JWKS of before, which a cache serves again, does not bring it back."""
    pair = connected(issuer)
    keys = issuer.scene.auth.keys
    before = issuer.jwks()
    active = keys.signing_keys().active("ES256").kid
    assert keys_of(pair).get(active) is not None
    keys.update(lambda found: found.distrust(active, now=issuer.clock.now()))
    issuer.published.feed.catch_up()
    pair.step()
    assert keys_of(pair).get(active) is None
    pair.following.keys.begin()
    pair.following.keys.took(before)
    assert keys_of(pair).get(active) is None
    pair.clock.advance(timedelta(minutes=4))
    assert keys_of(pair).get(active) is None


def test_a_key_that_is_new_is_fetched_at_once_and_past_the_caches(issuer: Node) -> None:
    """Under an address of its own; and not again and again where that does not bring it."""
    pair = connected(issuer)
    assert pair.following.keys.due_in() > 0
    keys = issuer.scene.auth.keys
    before = issuer.jwks()
    keys.update(lambda found: found.rotate("ES256", now=issuer.clock.now()))
    issuer.published.feed.catch_up()
    pair.step()
    assert pair.following.keys.due_in() <= 0
    url = pair.following.keys.begin()
    assert url.startswith(f"{ISSUER}{JWKS}?terms=")
    pair.following.keys.took(before)
    pair.step()
    assert pair.following.keys.due_in() > 0
    pair.following.keys.miss()
    pair.clock.advance(COOLED)
    pair.fetch_keys()
    assert keys_of(pair) == keys.public_keys()


def test_an_answer_by_a_key_that_is_not_known_has_the_keys_fetched_again(issuer: Node) -> None:
    """Every two seconds, however many such answers there are: until then nothing is known."""
    pair = verifier_of(issuer)
    pair.following.keys.begin()
    fewer = own_keys()
    kid = issuer.published.status_key().kid
    fewer.update(lambda found: found.distrust(kid, now=issuer.clock.now()))
    pair.following.keys.took(json.dumps(fewer.public_keys().to_jwks()).encode())
    for _ in range(5):
        pair.step()
        assert "KeyUnknown" in pair.following.failure or pair.following.is_failing
    assert 0 < pair.following.keys.due_in() <= COOL_DOWN_OF_FEED
    pair.clock.advance(timedelta(seconds=COOL_DOWN_OF_FEED))
    assert pair.following.keys.due_in() <= 0
    pair.fetch_keys()
    pair.settle()


def test_the_key_that_signs_the_feed_can_be_distrusted_too(issuer: Node) -> None:
    """The next one was published long before. What the old one has signed is nothing any more."""
    pair = connected(issuer)
    kid = issuer.published.status_key().kid
    issuer.scene.auth.keys.update(lambda found: found.distrust(kid, now=issuer.clock.now()))
    pair.step()
    assert not pair.following.is_failing
    status = pair.following.keys.for_status()
    assert status is not None
    assert status.get(kid) is None
    pair.settle()


def test_without_a_feed_the_published_keys_count_alone(issuer: Node) -> None:
    """After a minute what it said of keys is too old: a new key is believed as it is published."""
    pair = connected(issuer)
    keys = issuer.scene.auth.keys
    keys.update(lambda found: found.rotate("ES256", now=issuer.clock.now()))
    pair.fetch_keys()
    new = keys.public_keys()
    assert keys_of(pair) != new
    pair.clock.advance(timedelta(seconds=60))
    assert keys_of(pair) == new


def test_a_failure_says_what_it_was(issuer: Node) -> None:
    """For who runs it, and in the refusal of what cannot be known."""
    pair = verifier_of(issuer)
    pair.fetch_keys()
    pair.between = lambda *_: (503, b"")
    pair.step()
    assert "answered 503" in pair.following.failure
    (list_id, *_) = issuer.published.mirror.lists
    with pytest.raises(StatusStale, match="answered 503"):
        pair.following.require_valid("api", list_id, 0, uptime=pair.clock.uptime())
    assert KeyUnknown.code not in pair.following.failure
