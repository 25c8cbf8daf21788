"""What one issuer's node answers: from what read, with which terms, and when it cannot know."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import jwt
import pytest

from counterfoil import Client, Counterfoil, JwtStrategy, MemoryStore, SessionStrategy
from counterfoil.drive import drive
from counterfoil.errors import IssuerUnavailable, KeysStale, NotFound, StoreUnavailable
from counterfoil.feeds import published as publishing
from counterfoil.feeds.pump import Ready
from counterfoil.status_change import Position, StatusChange
from counterfoil.status_feed import MOST_CHANGES, Question, is_sealed, seal
from nodes import NONCE, SECOND, Node, Watched, node, own_keys
from scenes import API, ISSUER, PARTNER, WEB

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR: Final = timedelta(hours=1)


@pytest.fixture
def store() -> Watched:
    return Watched()


@pytest.fixture
def issuer(store: Watched, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    with node(monkeypatch, store=store) as found:
        yield found


def index_of(opened: Any) -> StatusChange:
    (index,) = opened.session.indices
    return StatusChange(index.list_id, index.index, 1)


def test_the_key_that_signs_is_published_before_anything_is_signed() -> None:
    """A verifier that asks for the keys first can read the first answer."""
    auth = Counterfoil(issuer=ISSUER, store=MemoryStore(), clients=[API])
    assert auth.published is not None
    auth.published.prepare()
    kid = auth.published.status_key().kid
    key = auth.keys.public_keys().get(kid)
    assert key is not None
    assert (key.purpose, key.algorithm) == ("status", "ES256")
    auth.published.prepare()
    assert auth.published.status_key().kid == kid


def test_an_issuer_without_status_publishes_none() -> None:
    """No store, or no client that could be `hybrid`; a mapping may get one later."""
    keys = own_keys()
    strategy = JwtStrategy(audience="api")
    assert Counterfoil(issuer=ISSUER, strategy=strategy, keys=keys).published is None
    store = MemoryStore()
    assert Counterfoil(issuer=ISSUER, store=store, strategy=SessionStrategy()).published is None
    found = Counterfoil(issuer=ISSUER, store=store, clients={"web": WEB}, keys=keys).published
    assert found is not None


def test_an_answer_continues_from_where_it_was_asked(issuer: Node) -> None:
    """Signed, with the seal of where it ends."""
    opened = issuer.open()
    began = issuer.told()
    assert began.read.after is None
    issuer.revoke(opened)
    found = issuer.told(position=began.read.position).read
    assert (found.after, found.position) == (began.read.position, issuer.position)
    assert found.changes == (index_of(opened),)
    secrets = issuer.scene.auth.keys.handle_secrets()
    sealed = issuer.told(position=issuer.position).seal
    assert is_sealed(issuer.position, sealed, secrets=secrets)


def test_s21_what_was_committed_after_the_question_came_is_in_its_answer(issuer: Node) -> None:
    """By another node: this one reads before it answers, though it was up to date a moment ago."""
    opened = issuer.open()
    issuer.published.feed.catch_up()
    question = Question(nonce=NONCE, position=issuer.position, terms=issuer.published.pump.digest)
    ready: list[Ready] = []
    issuer.published.enter(question, ready.append)
    assert ready == []
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setattr(issuer.scene.auth._parts.feed, "catch_up", lambda: None)  # noqa: SLF001 - another node's
        issuer.revoke(opened)
    issuer.published.feed.catch_up()
    token = drive(issuer.published.answer(question, ready[0]))
    assert payload_of(token)["to"] == question.position.number + 1  # type: ignore[union-attr]
    assert payload_of(token)["changes"] != {}


def payload_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def test_who_is_up_to_date_costs_no_read(issuer: Node, store: Watched) -> None:
    """It waits for one that is made anyway."""
    issuer.open()
    issuer.told()
    position, terms = issuer.position, issuer.published.pump.digest
    reads = store.reads
    for _ in range(10):
        question = Question(nonce=NONCE, position=position, terms=terms, wait=SECOND)
        issuer.published.enter(question, lambda _: None)
    assert store.reads == reads


def test_those_who_are_at_the_same_place_share_a_read(issuer: Node, store: Watched) -> None:
    """A node that starts meets a thousand verifiers from before, all at one position."""
    opened = [issuer.open() for _ in range(3)]
    behind = issuer.told().read.position
    for each in opened:
        issuer.revoke(each)
    ready: list[Ready] = []
    question = Question(nonce=NONCE, position=behind)
    for _ in range(20):
        issuer.published.enter(question, ready.append)
    reads = store.reads
    tokens = [drive(issuer.published.answer(question, each)) for each in ready]
    assert len(tokens) == 20
    assert store.reads == reads + 1
    assert {len(payload_of(token)["changes"]) for token in tokens} == {1}


def test_in_a_storm_those_who_are_behind_wait_for_one_read(issuer: Node, store: Watched) -> None:
    """While news is held back, nobody's question costs a read that would not answer it; who waits
    for nothing has theirs, and the one at the end of the moment answers all the others."""
    opened = [issuer.open() for _ in range(3)]
    behind = issuer.told().read.position
    question = Question(nonce=NONCE, position=behind, wait=3 * SECOND)
    for each in opened:
        for _ in range(200):
            issuer.published.enter(question, lambda _: None)
        issuer.revoke(each)
    reads, ready = store.reads, list[Ready]()
    for _ in range(20):
        issuer.published.enter(question, ready.append)
    assert (store.reads, ready) == (reads, [])
    issuer.published.enter(replace(question, wait=timedelta(0)), ready.append)
    assert (store.reads, len(ready)) == (reads + 1, 1)
    issuer.clock.advance(SECOND)
    issuer.published.feed.catch_up()
    assert len(ready) == 21


def test_s21_a_shared_read_began_after_everybody_of_them_had_asked(
    issuer: Node, store: Watched
) -> None:
    """Whoever comes later gets a later one, though nothing is known to have happened."""
    opened = [issuer.open() for _ in range(3)]
    behind = issuer.told().read.position
    for each in opened[:2]:
        issuer.revoke(each)
    question = Question(nonce=NONCE, position=behind)
    issuer.ask(question)
    reads = store.reads
    issuer.clock.advance(timedelta(microseconds=1))
    issuer.ask(question)
    assert store.reads > reads + 1


def test_s21_a_change_never_comes_before_its_list(issuer: Node, store: Watched) -> None:
    """The read of one's own saw a list that the node's last read did not: the answer names it, or
    the verifier would pass over what it says of it, and take the list for new afterwards."""
    opened = [issuer.open() for _ in range(2)]
    behind = issuer.told().read.position
    for each in opened:
        issuer.revoke(each)
    ready: list[Ready] = []
    question = Question(nonce=NONCE, position=behind)
    issuer.published.enter(question, ready.append)

    def a_window_later() -> None:
        issuer.clock.advance(2 * HOUR)
        issuer.revoke(issuer.open())

    store.first = a_window_later
    token = drive(issuer.published.answer(question, ready[0]))
    said = payload_of(token)
    assert said["to"] == behind.number + 3
    assert said["changes"].keys() <= {known[0] for known in said["terms"]["lists"]}
    assert len(said["changes"]) == 2


def test_who_is_too_far_behind_begins_with_the_lists(issuer: Node, store: Watched) -> None:
    """So does who comes from another epoch."""
    behind = issuer.told().read.position
    store._number += MOST_CHANGES + 1  # noqa: SLF001 - as if so many had been committed
    assert issuer.told(position=behind).read.after is None
    assert issuer.told(position=Position("another", behind.number)).read.after is None


def test_s21_a_node_that_lags_behind_the_verifier_says_so(issuer: Node) -> None:
    """It reads again, and where that does not help it is 503: no "nothing new", no gap."""
    issuer.open()
    ahead = Position(issuer.told().read.position.epoch, issuer.position.number + 1)
    for _ in range(3):
        with pytest.raises(IssuerUnavailable, match="not come as far"):
            issuer.ask(Question(nonce=NONCE, position=ahead))


def test_a_position_that_this_issuer_has_sealed_is_evidence(
    issuer: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the store was put back to before it; without the seal anybody could say so."""
    seen: list[Position] = []
    monkeypatch.setattr(issuer.published.feed, "witness", seen.append)
    issuer.open()
    ahead = Position(issuer.told().read.position.epoch, issuer.position.number + 7)
    for sealed in ("", "0-00", "nonsense"):
        with pytest.raises(IssuerUnavailable):
            issuer.ask(Question(nonce=NONCE, position=ahead, seal=sealed))
    assert seen == []
    sealed = seal(ahead, secrets=issuer.scene.auth.keys.handle_secrets())
    with pytest.raises(IssuerUnavailable):
        issuer.ask(Question(nonce=NONCE, position=ahead, seal=sealed))
    assert seen == [ahead]


def test_without_its_store_a_node_answers_nothing(issuer: Node, store: Watched) -> None:
    """It cannot know; and nobody is left waiting."""
    opened = issuer.open()
    began = issuer.told()
    store.trouble = StoreUnavailable()
    for position in (None, began.read.position):
        with pytest.raises(StoreUnavailable):
            issuer.ask(Question(nonce=NONCE, position=position))
    assert issuer.published.pump.waiting == 0
    store.trouble = None
    issuer.revoke(opened)
    assert issuer.told(position=began.read.position).read.changes == (index_of(opened),)


def test_keys_that_cannot_be_read_answer_nothing_either(issuer: Node) -> None:
    """An answer names the keys that are trusted. Who waits is answered when they can be read."""
    ready: list[Ready] = []
    keys = issuer.scene.auth.keys

    def unreadable() -> None:
        raise KeysStale

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(keys, "signing_keys", unreadable)
        issuer.published.enter(Question(nonce=NONCE), ready.append)
        assert ready == []
    issuer.published.feed.catch_up()
    assert len(ready) == 1


def test_lists_are_announced_before_anybody_signs_in(issuer: Node) -> None:
    """To those who ask: of this window and of the next, each before a token names it."""
    assert issuer.told().terms.lists == ()
    lists = issuer.told().terms.lists
    assert len(lists) == 2
    opened = issuer.open()
    assert index_of(opened).list_id == lists[0].id
    assert lists[1].opens_at == lists[0].closes_at


def test_the_next_window_is_announced_while_this_one_lasts(issuer: Node) -> None:
    """Though nobody signs in: a verifier that asks knows the list a whole window ahead."""
    issuer.told()
    for _ in range(5):
        issuer.clock.advance(HOUR)
        issuer.told()
        now = issuer.clock.now()
        lists = issuer.told().terms.lists
        assert any(known.is_issuing(now=now) for known in lists)
        assert any(known.opens_at > now for known in lists)


def test_an_issuer_with_no_hybrid_client_yet_announces_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that joins later is heard of, with its bound."""
    clients = {"web": WEB, "partner": PARTNER}
    with node(monkeypatch) as issuer:
        issuer.published.clients = clients
        for _ in range(2):
            assert issuer.told().terms.lists == ()
        clients["api"] = Client(client_id="api", strategy="hybrid", max_staleness=4 * SECOND)
        issuer.told()
        terms = issuer.told().terms
        assert (len(terms.lists), terms.max_staleness) == (2, 4 * SECOND)


def test_a_distrusted_key_is_out_of_the_next_answer(issuer: Node) -> None:
    """And where it is the key that signs here, the next one signs at once."""
    keys, now = issuer.scene.auth.keys, issuer.clock.now()
    signing = issuer.published.status_key().kid
    for kid in (keys.signing_keys().active("ES256").kid, signing):
        before = issuer.told().terms.kids
        keys.update(lambda found, kid=kid: found.distrust(kid, now=now))  # type: ignore[misc]
        after = issuer.told().terms.kids
        assert kid in before - after
    token = issuer.ask(Question(nonce=NONCE))
    assert jwt.get_unverified_header(token)["kid"] == issuer.published.status_key().kid != signing


def test_what_is_shared_between_answers_is_bounded(
    issuer: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may ask from anywhere."""
    monkeypatch.setattr(publishing, "KEPT", 4)
    epoch = issuer.told().read.position.epoch
    for number in range(50):
        with pytest.raises(IssuerUnavailable):
            issuer.ask(Question(nonce=NONCE, position=Position(epoch, 10 + number)))
    assert len(issuer.published._reads) <= 4  # noqa: SLF001 - memory is not seen outside
    for _ in range(50):
        issuer.told()
        issuer.revoke(issuer.open())
    assert len(issuer.published._texts) <= 4  # noqa: SLF001 - as above


def test_an_answer_is_what_a_reader_of_json_reads(issuer: Node) -> None:
    """It is put together from text that is kept."""
    opened = issuer.open()
    began = issuer.told()
    issuer.revoke(opened)
    text = issuer.ask(Question(nonce=NONCE, position=began.read.position))
    said = payload_of(text)
    assert json.loads(json.dumps(said)) == said
    assert said.keys() == {
        *("iss", "iat", "nonce", "epoch", "from", "to", "seal", "changes", "digest", "terms")
    }


def test_a_list_that_is_not_kept_is_not_found(issuer: Node) -> None:
    """Also where the store was asked again for it."""
    for name in ("unknown", "", "../a", "\0", "x" * 10_000):
        with pytest.raises(NotFound):
            issuer.published.signed_list(name)
