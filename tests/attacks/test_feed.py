"""The class S21: whoever sits between a verifier and its issuer, or has stolen one of its keys.

Whatever they do, a revoked credential passes for no longer than `max_staleness`; where they keep
the verifier from knowing, it refuses. Answers and lists that are broken are in test_status_feed.py
and test_status_token.py, nodes that lag in feeds/test_following_bounds.py.
"""

from __future__ import annotations

import json
import time
import zlib
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest

from counterfoil.drive import drive
from counterfoil.errors import KeyUnknown, SessionRevoked, StatusStale
from counterfoil.feeds.following import FEED
from counterfoil.jws import generate
from counterfoil.ports import Commit
from counterfoil.status_change import StatusChange
from counterfoil.status_feed import MOST_CHANGES
from counterfoil.status_mirror import ListUnknown
from feeding import members_of, signed
from forging import KEYS, segment
from nodes import LISTS, SECOND, Pair, Watched, node, verifier_of
from serving import until
from wired import connected, refusal, wired

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from counterfoil import Opened, Verifier
    from counterfoil.feeds.following import Get
    from nodes import Node, Reply
    from wired import Between, Issuer

L: Final = 1.0
TOKEN_KEY: Final = KEYS.active("ES256")
STATUS_KEY: Final = KEYS.active("ES256", "status")
OWN_KEY: Final = replace(STATUS_KEY, material=generate("ES256"))


def withstand(issuer: Issuer, attacks: Mapping[str, Between]) -> None:
    """Each attack has a verifier to itself, and all go on at once. At none of them does a check
    pass that begins more than L after the acknowledgement; and each recovers."""
    with ExitStack() as stack:
        verifiers = {label: stack.enter_context(connected(issuer)) for label in attacks}
        by_name = {verifiers[label]._following._name: attacks[label] for label in attacks}  # noqa: SLF001 - as it asks
        opened, before = issuer.open(), issuer.open()
        issuer.revoke(before)
        for verifier in verifiers.values():
            until(partial(says, verifier, before, SessionRevoked))

        def between(connection: socket.socket, path: str, reply: Reply) -> Reply | None:
            name = dict(parse_qsl(urlsplit(path).query))["verifier"]
            return by_name[name](connection, path, reply)

        issuer.at(FEED, between)
        issuer.revoke(opened)
        acknowledged = time.monotonic()
        while (began := time.monotonic()) < acknowledged + 1.2 * L:
            for label, verifier in verifiers.items():
                is_refused = refusal(verifier, opened) in {SessionRevoked, StatusStale}
                assert is_refused or began <= acknowledged + L, label
            time.sleep(0.01)
        issuer.between = lambda _, __, reply: reply
        kept = issuer.open()
        for verifier in verifiers.values():
            until(partial(says, verifier, kept, None))
            assert says(verifier, opened, SessionRevoked)


def says(verifier: Verifier, opened: Opened, what: type[Exception] | None) -> bool:
    return refusal(verifier, opened) is what


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with wired(max_staleness=SECOND) as found:
        yield found


def rewritten(token: str, **changes: object) -> bytes:
    """An answer's payload, without what it says of anybody."""
    members = jwt.decode(token, options={"verify_signature": False})
    return json.dumps({**members, "changes": {}, **changes}).encode()


def unsigned(token: str) -> str:
    head = segment(json.dumps({"alg": "none", "typ": "counterfoil-feed+jwt"}).encode())
    return f"{head}.{segment(rewritten(token))}."


def with_the_old_signature(token: str) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{segment(rewritten(token))}.{signature}"


def by_a_stolen_token_key(token: str) -> str:
    return signed(rewritten(token), key=TOKEN_KEY)


def by_a_key_of_ones_own(token: str) -> str:
    return signed(rewritten(token), key=replace(OWN_KEY, kid=STATUS_KEY.kid))


def by_another_issuer_with_these_keys(token: str) -> str:
    return signed(rewritten(token, iss="https://other.example"))


LIES: Final = (
    unsigned,
    with_the_old_signature,
    by_a_stolen_token_key,
    by_a_key_of_ones_own,
    by_another_issuer_with_these_keys,
)


def lying(lie: Callable[[str], str]) -> Between:
    def between(_: object, __: str, reply: Reply) -> Reply:
        status, body = reply
        return (status, lie(body.decode()).encode()) if status == 200 else reply

    return between


def test_s21_a_forged_nothing_new_keeps_nothing_alive(issuer: Issuer) -> None:
    """Each answer is taken away, and one without its changes is said in its place."""
    withstand(issuer, {lie.__name__: lying(lie) for lie in LIES})


def test_s21_a_replayed_answer_keeps_nothing_alive(issuer: Issuer) -> None:
    """Genuine, and said before: the first again and again, or always the one before."""
    kept: dict[str, list[Reply]] = {"the first": [], "the one before": []}

    def repeating(label: str) -> Between:
        def between(_: object, __: str, reply: Reply) -> Reply:
            said = kept[label]
            said.append(reply)
            return said[0] if label == "the first" else said[-2 if said[1:] else -1]

        return between

    withstand(issuer, {label: repeating(label) for label in kept})


def asked_otherwise(issuer: Issuer, **changes: str | None) -> Between:
    """The answer of the issuer itself, to this verifier's nonce, but to a changed question."""

    def between(_: object, path: str, __: Reply) -> Reply:
        parts = urlsplit(path)
        members: dict[str, Any] = {**dict(parse_qsl(parts.query)), **changes}
        query = urlencode({name: value for name, value in members.items() if value is not None})
        return issuer.node.reply(f"{issuer.url}{parts.path}?{query}")

    return between


def test_s21_an_answer_to_a_changed_question_hides_nothing(issuer: Issuer) -> None:
    """Somebody on the way asks the issuer itself, under this verifier's nonce: from behind the
    change that is to be missed, so that there is a gap; from elsewhere; or from nowhere."""
    changes: tuple[dict[str, str | None], ...] = (
        {"number": "2"},
        {"number": "0"},
        {"number": "99"},
        {"number": None, "epoch": None},
        {"epoch": "another"},
        {"terms": "others"},
    )
    withstand(issuer, {str(each): asked_otherwise(issuer, wait="0", **each) for each in changes})


def test_s21_a_cache_on_the_way_makes_nothing_fresh(issuer: Issuer) -> None:
    """Which keeps everything for ever, `no-store` too: by the whole address it never has what is
    asked for, and by the path alone it has what belongs to another question."""

    def caching(key: Callable[[str], str]) -> Between:
        cache: dict[str, Reply] = {}
        return lambda _, path, reply: cache.setdefault(key(path), reply)

    by_path = caching(lambda path: path.partition("?")[0])
    withstand(issuer, {"address": caching(str), "path": by_path})


def test_s21_a_feed_that_falls_silent_is_not_taken_for_peace(issuer: Issuer) -> None:
    """Nothing at all, or nothing that is an answer."""
    attacks: dict[str, Between] = {"silent": issuer.silent, "gone": lambda *_: None}
    for status in (200, 204, 304, 404, 500, 503):
        attacks[str(status)] = lambda *_, status=status: (status, b"")
    withstand(issuer, attacks)


def test_s21_an_answer_that_is_held_back_is_as_old_as_its_question(issuer: Issuer) -> None:
    """Each is delivered, in order and unchanged, shortly before it would be given up, or after."""

    def holding(seconds: float) -> Between:
        def between(_: object, __: str, reply: Reply) -> Reply:
            issuer.over.wait(seconds)
            return reply

        return between

    withstand(issuer, {f"{seconds} s": holding(seconds) for seconds in (0.1, 0.25, 0.4, 2.0)})


def test_s21_a_feed_key_signs_no_token(issuer: Issuer) -> None:
    """Stolen, it makes nobody somebody else; nor does a token key make a feed (see above)."""
    with connected(issuer) as verifier:
        opened = issuer.open()
        until(partial(says, verifier, opened, None))
        claims = jwt.decode(opened.credential.token, options={"verify_signature": False})
        forged = signed(json.dumps(claims).encode(), key=STATUS_KEY, typ="at+jwt")
        with pytest.raises(KeyUnknown):
            verifier.check(forged)


# What follows needs no wire: a test carries every request, and time goes by as it says.


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    with node(monkeypatch, store=Watched()) as found:
        found.told()
        yield found


@pytest.fixture
def pair(still: Node) -> Pair:
    pair = verifier_of(still)
    pair.fetch_keys()
    return pair


def in_place_of_lists(pair: Pair, lists: Callable[[str, Reply], Reply]) -> None:
    """Has this come in place of each list; all else is answered."""

    def between(get: Get, reply: Reply) -> Reply:
        return lists(get.wanted.id, reply) if get.wanted is not None else reply

    pair.between = between


def never_passes(pair: Pair, opened: Opened, *, steps: int = 12) -> None:
    for _ in range(steps):
        pair.step()
        assert pair.refusal(opened) is not None


def test_s21_an_older_list_takes_back_nothing(pair: Pair) -> None:
    """Genuine, of before the revocation: it says where it stood, and is read on from there."""
    opened = pair.node.open()
    old = {name: pair.node.reply(at_least(pair, name)) for name in pair.node.published.mirror.lists}
    pair.node.revoke(opened)
    in_place_of_lists(pair, lambda name, _: old[name])
    pair.settle()
    assert pair.refusal(opened) is SessionRevoked


def at_least(pair: Pair, name: str) -> str:
    position = pair.node.position
    query = urlencode({"epoch": position.epoch, "number": position.number})
    return f"{pair.following.issuer}{LISTS}{name}?{query}"


def test_s21_a_list_that_has_expired_is_no_beginning(pair: Pair) -> None:
    """By the issuer's own clock: the feed may have forgotten what came after it."""
    opened = pair.node.open()
    old = {name: pair.node.reply(at_least(pair, name)) for name in pair.node.published.mirror.lists}
    pair.node.revoke(opened)
    pair.clock.advance(timedelta(seconds=60))
    in_place_of_lists(pair, lambda name, _: old[name])
    never_passes(pair, opened)
    assert pair.refusal(opened) is StatusStale


def test_s21_lists_that_are_swapped_are_refused(pair: Pair) -> None:
    """Both are genuine, and of one size; in the other's place, each would revive the revoked."""
    opened = pair.node.open()
    pair.node.revoke(opened)
    first, second = pair.node.published.mirror.lists
    other = {first: second, second: first}
    in_place_of_lists(pair, lambda name, _: pair.node.reply(at_least(pair, other[name])))
    never_passes(pair, opened)
    assert pair.refusal(opened) is StatusStale


def test_s21_a_list_of_another_epoch_is_no_beginning(pair: Pair) -> None:
    """Of the same name, from before a restore, when nothing had been revoked."""
    opened = pair.node.open()
    pair.node.revoke(opened)

    def before(_: str, reply: Reply) -> Reply:
        claims = {**members_of(reply[1].decode()), "counterfoil_position": ["before", 10**6]}
        claims["status_list"]["lst"] = segment(zlib.compress(bytes(2**18)))
        return 200, signed(json.dumps(claims).encode(), typ="statuslist+jwt").encode()

    in_place_of_lists(pair, before)
    never_passes(pair, opened)


def test_s21_a_bomb_in_place_of_a_list_is_not_unpacked(pair: Pair) -> None:
    """Signed by the issuer's own key: 64 KiB that are 64 MiB."""
    opened = pair.node.open()
    packer = zlib.compressobj(9)
    bomb = b"".join([*(packer.compress(bytes(2**20)) for _ in range(64)), packer.flush()])

    def bombed(_: str, reply: Reply) -> Reply:
        claims = members_of(reply[1].decode())
        claims["status_list"]["lst"] = segment(bomb)
        return 200, signed(json.dumps(claims).encode(), typ="statuslist+jwt").encode()

    in_place_of_lists(pair, bombed)
    never_passes(pair, opened, steps=4)
    assert "announced size" in pair.following.failure


def test_s21_without_its_lists_a_cold_start_knows_nothing(pair: Pair) -> None:
    """However often the feed itself answers."""
    opened = pair.node.open()
    in_place_of_lists(pair, lambda *_: (503, b""))
    never_passes(pair, opened)
    assert not pair.following.is_ready()


def test_s21_wall_clocks_that_jump_make_nothing_fresh(pair: Pair) -> None:
    """The verifier's, by a year either way: what it knows is as old as it is."""
    opened = pair.node.open()
    pair.settle()
    for jump in (timedelta(days=365), timedelta(days=-365)):
        age = timedelta(seconds=pair.following.knowledge().status_age)
        pair.clock.advance(9 * SECOND - age)
        assert pair.refusal(opened) is None
        pair.clock.turn_to(pair.clock.now() + jump)
        assert pair.refusal(opened) is None
        pair.clock.advance(SECOND)
        assert pair.refusal(opened) is StatusStale
        pair.clock.turn_to(pair.clock.now() - jump)
        pair.settle()


def test_s21_a_token_of_a_list_that_is_dropped_is_refused(pair: Pair) -> None:
    """Though it would live on: its index may not speak for anybody any more."""
    opened = pair.node.open()
    pair.settle()
    pair.clock.advance(timedelta(hours=1, minutes=5))
    pair.settle()
    assert pair.refusal(opened) is ListUnknown


def test_s21_half_of_all_sessions_revoked_at_once_are_half_of_all_sessions(pair: Pair) -> None:
    """More than an answer may hold: the lists bring it, and the other half goes on."""
    pair.node.open()
    pair.settle()
    (list_id, *_) = pair.node.published.mirror.lists
    ended = range(0, 2 * MOST_CHANGES + 2, 2)
    changes = tuple(StatusChange(list_id, index, 1) for index in ended)
    assert drive(pair.node.scene.store.commit(Commit(changes=changes)))
    pair.node.published.feed.catch_up()
    pair.settle()
    bits = pair.following.mirror.lists[list_id]
    assert [bits[index] for index in range(ended.stop)] == [1, 0] * len(ended)
