"""An issuer's keys at a verifier: fetched, fetched again, and relied on for so long only.

Nothing here fetches. Whoever carries requests for this verifier asks what is due and brings what
came of it; a check reads one attribute, and at most says that a kid was missing.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.errors import AuthError, IssuerUnavailable, KeysStale, Malformed, Unavailable
from counterfoil.feeds import fetch
from counterfoil.keys import PublicKeySet
from counterfoil.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from counterfoil.clock import Clock
    from counterfoil.keys import PublicKey
    from counterfoil.status_feed import Terms

EVERY: Final = 300.0
COOL_DOWN: Final = 10.0  # between a fetch and the next one that an unknown kid asks for
TRIES: Final = 3  # after which a key that the feed names and nobody publishes is waited for no more
RELIED_ON: Final = 60.0  # seconds that the feed's word on keys counts: the longest max_staleness
_FIRST_PAUSE: Final = 0.5  # after a fetch that failed; then twice as long each time
_LONGEST_PAUSE: Final = 60.0
_LONGEST_WITHOUT: Final = 2.0  # while nobody is let in for want of keys; as for the feed
COOL_DOWN_OF_FEED: Final = 2.0  # whose answers count for nothing meanwhile
_MOST_DOUBLINGS: Final = 7

_log = logging.getLogger("counterfoil.verifier")


class _Held(NamedTuple):
    keys: PublicKeySet
    known_at: float  # uptime when the request for them was sent


class IssuerKeys:
    """The keys published at `url`, good for `max_age` after the request that brought them; without
    those that the feed, which is heard of sooner, does not trust.

    Holds no lock: checks read, and only who carries the requests writes. `wake` is called when
    something is due before its time.
    """

    def __init__(
        self,
        url: str,
        *,
        max_age: timedelta,
        clock: Clock,
        chance: Random,
    ) -> None:
        self._url = url
        self._chance = chance
        self._max_age = max_age.total_seconds()
        self._every = min(EVERY, self._max_age / 3)
        self._clock = clock
        self.wake: Callable[[], object] = lambda: None
        self._held: _Held | None = None
        self._due = self._began = float("-inf")
        self._is_kid_unknown = False
        self._cool_down = COOL_DOWN
        self._wanted = self._asked_for = ""
        self._tries = 0
        self._failures = 0
        self.failure = ""
        self._terms: Terms | None = None
        self._terms_until = float("-inf")
        self._named: PublicKeySet | None = None  # what is held, as far as the feed names it
        self._believed: PublicKeySet | None = None  # what is held, but what the feed has disowned
        self._disowned: frozenset[str] = frozenset()

    def current(self, *, uptime: float) -> PublicKeySet:
        """The keys that are trusted, if they are known well enough. Raises `KeysStale`."""
        held = self._held
        if uptime >= self._due:
            self.wake()
        if held is None:
            raise KeysStale("The issuer's keys have not been fetched yet.")
        if not uptime - held.known_at < self._max_age:
            raise KeysStale(retry_after=timedelta(seconds=max(1, self._due - uptime)))
        keys = self._named if uptime < self._terms_until else self._believed
        return keys if keys is not None else held.keys

    def for_status(self) -> PublicKeySet | None:
        """The keys that lists and answers may be signed with; None before there are any."""
        return self._believed

    def miss(self) -> None:
        """Says that a token's kid was not among the keys: they are fetched again, but not too
        often, since anybody can write a token."""
        if not self._is_kid_unknown:
            self._is_kid_unknown = True
            self.wake()

    def miss_of_feed(self) -> None:
        """The same of what signed the issuer's own answer, which is waited for."""
        self._cool_down = COOL_DOWN_OF_FEED
        self.miss()

    def follow(self, terms: Terms, digest: str, *, known_at: float) -> None:
        """What the feed says of keys: one that it does not name is not trusted any more, and one
        that is not held is fetched at once."""
        held = self._held.keys if self._held is not None else PublicKeySet(())
        kids = {key.kid for key in held}
        if not terms.kids <= kids and digest != self._asked_for:
            self._wanted, self._tries = digest, TRIES
        disowned = (self._disowned | kids) - terms.kids
        if terms != self._terms or disowned != self._disowned:
            self._sort(terms, disowned)
            # Last: a process that is forked before this does it again.
            self._terms, self._disowned = terms, disowned
        self._terms_until = known_at + RELIED_ON

    def is_fresh(self) -> bool:
        held = self._held
        return held is not None and self._clock.uptime() - held.known_at < self._max_age

    def age(self, *, uptime: float) -> float:
        """Seconds since the request that brought the keys; infinite before the first."""
        held = self._held
        return float("inf") if held is None else uptime - held.known_at

    def due_in(self) -> float:
        """Seconds until the next fetch, by the clock that goes on in suspend."""
        if self._wanted:
            return 0.0
        due = self._due
        if self._is_kid_unknown:
            due = min(due, self._began + min(self._cool_down, COOL_DOWN))
        return due - self._clock.uptime()

    def begin(self) -> str:
        """The URL to get now. Whatever comes of it, the next attempt waits."""
        self._began = self._clock.uptime()
        self._due = self._began + self._pause()
        # By another address no cache on the way answers with what it had before.
        url = self._url
        if self._wanted:
            url = f"{url}?terms={self._wanted}"
        elif self._is_kid_unknown or self._failures:
            url = f"{url}?fresh={self._chance.getrandbits(64):x}"
        self._is_kid_unknown, self._cool_down = False, COOL_DOWN
        self._asked_for, self._wanted = self._wanted or self._asked_for, ""
        return url

    def answered(self, status: int, body: bytes) -> None:
        """What came back."""
        if status == HTTPStatus.OK:
            self.took(body)
        else:
            self.failed(IssuerUnavailable(f"The issuer answered {status}."))

    def took(self, body: bytes) -> None:
        """What was got. Only an answer that can be trusted replaces what is held."""
        try:
            keys = _read(body)
        except (Unavailable, AuthError) as why:
            self.failed(why)
            return
        self._failures = 0
        held = self._held
        # The same object where nothing changed, so that what was verified under it stays cached.
        self._held = _Held(held.keys if held and held.keys == keys else keys, self._began)
        self._sort(self._terms, self._disowned)
        self._due = self._began + self._every * self._chance.uniform(0.8, 1)
        if self._tries and self._terms and not self._terms.kids <= {key.kid for key in keys}:
            # They came from a cache, or from a node that had not heard of the change.
            self._tries -= 1
            self._is_kid_unknown = True

    def failed(self, why: Exception) -> None:
        """Nothing came of it."""
        self.failure = f"The issuer's keys cannot be fetched from {self._url}: {why}"
        if not self._failures:
            _log.warning("%s", self.failure)
        self._failures += 1

    def _pause(self) -> float:
        pause = _FIRST_PAUSE * float(2 ** min(self._failures, _MOST_DOUBLINGS))
        longest = _LONGEST_PAUSE if self.is_fresh() else _LONGEST_WITHOUT
        return min(longest, pause) * self._chance.uniform(0.5, 1)

    def _sort(self, terms: Terms | None, disowned: frozenset[str]) -> None:
        if self._held is None:
            return
        held = self._held.keys
        self._believed = _same(held, [key for key in held if key.kid not in disowned])
        named = held if terms is None else [key for key in held if key.kid in terms.kids]
        self._named = _same(held, [*named])


def _same(held: PublicKeySet, keys: list[PublicKey]) -> PublicKeySet:
    return held if len(keys) == len(held) else PublicKeySet(keys)


def _read(body: bytes) -> PublicKeySet:
    keys = PublicKeySet.from_jwks(parse_object(body, limit=fetch.LIMIT))
    if not any(key.purpose == "tokens" for key in keys):
        raise Malformed("The issuer publishes no key for tokens.")
    return keys
