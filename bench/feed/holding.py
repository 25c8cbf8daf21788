"""A process that comes to know so many lists, as a verifier does, and tells what that took.

The issuer's answers are made here with the issuer's own functions and given to the verifier's own
state machine; no network takes part. Every entry is random, so nothing packs well.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import tracemalloc
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from bench.feed.machine import resident
from bench.feed.watching import say
from counterfoil import status_feed, status_token
from counterfoil.clock import SystemClock
from counterfoil.feeds.following import Following
from counterfoil.handle import HandleSecrets
from counterfoil.keys import SigningKeySet
from counterfoil.status_change import FeedRead, Position
from counterfoil.status_feed import Terms, WrittenTerms
from counterfoil.status_list import DEFAULT_SIZE, Issuing, StatusBits

if TYPE_CHECKING:
    from counterfoil.feeds.following import Get
    from counterfoil.status_list import StatusList

ISSUER: Final = "https://app.example"
SECRETS: Final = HandleSecrets({0: secrets.token_bytes(32)}, 0)
OK: Final = 200
HOUR: Final = timedelta(hours=1)


class Issuer:
    """One that has so many lists."""

    def __init__(self, lists: int) -> None:
        now = SystemClock().now()
        self._now = now
        keys = SigningKeySet.generate(now=now).with_purpose("status", now=now)
        self._key = keys.active("ES256", "status")
        self.jwks = json.dumps(keys.public().to_jwks()).encode()
        self.position = Position("an-epoch", lists * DEFAULT_SIZE)
        issuing = Issuing(window=HOUR)
        self._directory = tuple(
            issuing.following(f"list-{each}", opens_at=now + each * HOUR) for each in range(lists)
        )
        self._terms = WrittenTerms(
            Terms(
                lists=self._directory,
                kids=frozenset(key.kid for key in keys.public()),
                max_staleness=timedelta(seconds=10),
            )
        )

    def answer(self, asked: Get) -> bytes:
        if asked.wanted is not None:
            return self._list(asked.wanted)
        assert asked.question is not None  # noqa: S101 - it is one or the other
        after = asked.question.position
        read = FeedRead(
            after=after, position=self.position, at=self._now, lists=self._directory, changes=()
        )
        sealed = status_feed.seal(self.position, secrets=SECRETS)
        text = status_feed.written(read, issuer=ISSUER, sealed=sealed)
        payload = status_feed.completed(text, asked.question, self._terms)
        return status_feed.sign(payload, key=self._key).encode()

    def _list(self, wanted: StatusList) -> bytes:
        bits = StatusBits(wanted.size, random.randbytes(wanted.size // 4))  # noqa: S311 - entries
        uri = status_token.list_uri(ISSUER, wanted.id)
        return status_token.issue(
            uri, bits, self.position, issuer=ISSUER, key=self._key, now=self._now
        ).encode()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("lists", type=int)
    parser.add_argument("--traced", action="store_true")
    chosen = parser.parse_args()
    _held(1)  # modules are loaded, and caches filled
    before = resident()
    if chosen.traced:
        tracemalloc.start()
    following, longest = _held(chosen.lists)
    found: dict[str, Any] = {"longest list": longest, "lists": len(following.mirror.lists)}
    if chosen.traced:
        found["now"], found["peak"] = tracemalloc.get_traced_memory()
    after = resident()
    if before is not None and after is not None:
        found["resident"] = after - before
    say(found)


def _held(lists: int) -> tuple[Following, int]:
    """A verifier that knows them all, and the length of the longest list in the form in which it
    came."""
    issuer, clock = Issuer(lists), SystemClock()
    following = Following(
        ISSUER,
        keys_max_age=HOUR,
        tightest=None,
        timeout=timedelta(seconds=5),
        clock=clock,
        entropy=secrets.token_bytes,
        chance=random.Random(),  # noqa: S311 - it spreads polls
    )
    following.keys.begin()
    following.keys.took(issuer.jwks)
    longest = 0
    while not following.is_ready():
        asked = following.ask()
        if asked is None:
            raise AssertionError(following.failure)
        body = issuer.answer(asked)
        following.took(asked, OK, body)
        if asked.wanted is not None:
            longest = max(longest, len(body))
    return following, longest


if __name__ == "__main__":
    main()
