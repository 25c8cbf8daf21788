"""How a verifier follows one issuer: what to ask next, and what an answer is worth.

Nothing here waits, and nothing touches a network. Whoever carries requests (`feeds.http`, or a
simulation) asks what is due, sends it, and brings what came back, whatever that is. Knowledge is
as fresh as the moment at which its request was made, on this machine's clock that includes
suspend; how long an answer was on its way makes it no fresher, and an answer that belongs to no
request that is out is not looked at.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from counterfoil import status_feed, status_token
from counterfoil.errors import AuthError, IssuerUnavailable, KeyUnknown, StatusStale, Unavailable
from counterfoil.feeds.jwks import IssuerKeys
from counterfoil.feeds.pace import Pace
from counterfoil.status_change import Position
from counterfoil.status_feed import Question
from counterfoil.status_mirror import FeedGap, Start, StatusMirror

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

    from counterfoil.clock import Clock
    from counterfoil.keys import PublicKeySet
    from counterfoil.ports import Entropy
    from counterfoil.status_feed import Answer, Terms
    from counterfoil.status_list import StatusList
    from counterfoil.status_token import ListToken

FEED: Final = "/status/feed"
JWKS: Final = "/.well-known/jwks.json"
NO_FEED_PAUSE: Final = 30.0  # seconds, where the issuer says that it has no feed
_NOT_FOUND: Final = 404
_OK: Final = 200
_FAILURES: Final = {401: "The issuer refuses this verifier's client_id and secret (401)."}
_NOTHING: Final = timedelta(0)

_log = logging.getLogger("counterfoil.verifier")


class Get(NamedTuple):
    """A request to send now. within: seconds until it has failed. began, at: uptime and wall time
    when it was made."""

    url: str
    accept: str
    limit: int
    within: float
    began: float
    at: datetime
    question: Question | None = None
    wanted: StatusList | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What a verifier knows of its issuer now, for health and metrics.

    is_current: whether it knows enough for good tokens to pass; where not, it refuses with 503, and
    requests belong elsewhere. status_age: seconds since the request was made that its knowledge of
    revocations rests on; keys_age: the same for the keys; both are infinite before the first.
    position: how far in the feed it has come. connected_since: since when every poll of the feed
    has been answered (wall time), None while they are not. max_staleness: the longest status_age
    at which tokens of most clients still pass.
    """

    is_current: bool
    status_age: float
    keys_age: float
    position: Position | None
    connected_since: datetime | None
    max_staleness: timedelta | None


class Following:
    """One verifier's view of one issuer: keys, mirror, and how far along it is.

    tightest: max_staleness of this verifier where that is less than the issuer's. Checks read it
    from any thread; one carrier at a time writes it.
    """

    def __init__(
        self,
        issuer: str,
        *,
        keys_max_age: timedelta,
        tightest: timedelta | None,
        timeout: timedelta,
        clock: Clock,
        entropy: Entropy,
        chance: Random,
    ) -> None:
        self.issuer = issuer
        self.clock = clock
        self.mirror = StatusMirror()
        self.keys = IssuerKeys(issuer + JWKS, max_age=keys_max_age, clock=clock, chance=chance)
        self.connected_since: datetime | None = None
        self.failure = ""
        self.has_feed = True
        self._name = status_feed.nonce_of(entropy(6))
        self._tightest = tightest
        self._timeout = timeout.total_seconds()
        self._entropy = entropy
        self._chance = chance
        self._terms: tuple[str, Terms] | None = None
        self._standing: Terms | None = None  # those that belong to what the mirror holds
        self._seal = ""
        self._reached: Position | None = None  # the furthest that anything was told to stand
        self._begun: Answer | None = None  # what was said when the lists were asked for
        self._lists: dict[str, ListToken] = {}
        self._start: Start | None = None
        self._is_cold = True
        self._avoids_caches = False  # by asking for lists at addresses that nobody has asked at
        self._out: Get | None = None
        self._due = float("-inf")
        self._pace = Pace(timeout=self._timeout, chance=chance)

    # What checks ask.

    def require_valid(self, client_id: str, list_id: str, index: int, *, uptime: float) -> None:
        """Raises what is known against this entry, or `StatusStale` where too little is."""
        terms = self._standing
        if terms is None:
            raise StatusStale(self.failure or "The issuer's status has not been read yet.")
        self.mirror.require_valid(
            list_id, index, uptime=uptime, max_staleness=self._bound(terms, client_id)
        )

    def good_until(self, client_id: str) -> float:
        """The uptime from which too little is known for this client's tokens, unless more is
        heard."""
        terms = self._standing
        if terms is None:
            return float("-inf")
        return self.mirror.good_until(max_staleness=self._bound(terms, client_id))

    def is_ready(self) -> bool:
        """Whether there is nothing more to wait for: keys, and status where there is any."""
        if not self.keys.is_fresh():
            return False
        return self.is_current() or not self.has_feed

    def is_current(self) -> bool:
        """Whether tokens with a status can pass now."""
        bound = self.max_staleness
        if bound is None:
            return False
        return self.clock.uptime() < self.mirror.good_until(max_staleness=bound)

    @property
    def max_staleness(self) -> timedelta | None:
        terms = self._standing
        return None if terms is None else self._tightened(terms.max_staleness)

    def forked(self) -> None:
        """To be called in a process just forked, which goes on by itself from what was known."""
        self.mirror.forked()
        self._name = status_feed.nonce_of(self._entropy(6))
        self._out = None

    def knowledge(self) -> Knowledge:
        uptime = self.clock.uptime()
        return Knowledge(
            is_current=self.is_ready(),
            status_age=self.mirror.age(uptime=uptime),
            keys_age=self.keys.age(uptime=uptime),
            position=self.mirror.position,
            connected_since=self.connected_since,
            max_staleness=self.max_staleness,
        )

    # What the carrier does.

    @property
    def is_failing(self) -> bool:
        """Whether nothing came of the last request that ended."""
        return self._pace.failures > 0

    def due_in(self) -> float:
        """Seconds until the next request about status; without end while there are no keys to read
        an answer with."""
        return math.inf if self.keys.for_status() is None else self._due - self.clock.uptime()

    def ask(self) -> Get | None:
        """The next request about status, which is out from now on; None while there are no keys
        to read its answer with. One that was out before is not answered any more."""
        if self.keys.for_status() is None:
            return None
        began, at = self.clock.uptime(), self.clock.now()
        wanted = self._wanted()
        if wanted is not None and self._begun is not None:
            position = self._begun.read.position
            url = status_token.list_uri(self.issuer, wanted.id)
            members = {"epoch": position.epoch, "number": str(position.number)}
            if self._avoids_caches:
                members["fresh"] = status_feed.nonce_of(self._entropy(8))
            query = urlencode(members)
            self._out = Get(
                f"{url}?{query}",
                accept=status_token.MEDIA_TYPE,
                limit=status_token.LIMIT,
                within=self._timeout,
                began=began,
                at=at,
                wanted=wanted,
            )
            return self._out
        question = self._question()
        self._out = Get(
            f"{self.issuer}{FEED}?{question.query()}",
            accept="application/jwt",
            limit=status_feed.LIMIT,
            within=question.wait.total_seconds() + self._patience(),
            began=began,
            at=at,
            question=question,
        )
        return self._out

    def took(self, get: Get, status: int, body: bytes) -> None:
        """What came back for this request."""
        if get is not self._out:
            return
        try:
            if status != _OK:
                if self._terms is None:  # else it is not the issuer that lacks it
                    self.has_feed = status != _NOT_FOUND
                raise IssuerUnavailable(_FAILURES.get(status, f"The issuer answered {status}."))
            if get.wanted is not None:
                self._take_list(get.wanted, body.decode("ascii"))
            elif get.question is not None:
                self._take_answer(get, get.question, body.decode("ascii"))
        except (AuthError, Unavailable, UnicodeDecodeError) as why:
            self.failed(get, why)
        except FeedGap:
            self._begin_again()
            self.failed(get, "it does not continue what is known here; beginning again")
        else:
            self._out = None
            self._due = float("-inf")
            wait = get.question.wait if get.question is not None else _NOTHING
            self._pace.answered(after=self.clock.uptime() - get.began, wait=wait)

    def failed(self, get: Get, why: Exception | str) -> None:
        """Nothing came of it; the next one waits, longer each time."""
        if get is not self._out:
            return
        self._out = None
        if isinstance(why, KeyUnknown):
            self.keys.miss_of_feed()
        if get.wanted is not None:
            # A directory may be out of date by now, and a list gone, or kept on the way too long.
            self._begin_again()
            self._avoids_caches = True
        self.failure = f"The issuer's status cannot be read from {self.issuer}: {why}"
        if not self.is_failing and self.connected_since is not None:
            _log.warning("%s", self.failure)
        self.connected_since = None
        self._pace.failed()
        self._due = self.clock.uptime() + self._pause()

    def _take_answer(self, get: Get, question: Question, body: str) -> None:
        answer = status_feed.read_answer(
            body, question, keys=self._status_keys(), issuer=self.issuer, held=self._terms
        )
        self.has_feed = True
        read = answer.read
        self._require_reached(read.position)
        if read.after is None:
            self._begin_again()
            self._begun = answer
            self._gather()
        else:
            self.mirror.apply(read, began=get.began, at=get.at, start=self._start)
            self._start = self._begun = None
            self._lists = {}
            self._is_cold = self._avoids_caches = False
            self._standing = answer.terms
            if self.connected_since is None:
                self.connected_since = get.at
                _log.info("following the status of %s", self.issuer)
            self._seal = answer.seal
        self._terms = (answer.digest, answer.terms)
        self.keys.follow(answer.terms, answer.digest, known_at=get.began)

    def _take_list(self, wanted: StatusList, body: str) -> None:
        begun = self._begun
        if begun is None:
            return
        uri = status_token.list_uri(self.issuer, wanted.id)
        found = status_token.read(
            body, keys=self._status_keys(), issuer=self.issuer, uri=uri, size=wanted.size
        )
        # By the issuer's own clock, which the answer that named the list has told.
        age = begun.read.at.timestamp() - found.issued_at
        if found.position.epoch != begun.read.position.epoch or age >= _ttl():
            raise IssuerUnavailable("The list that came is an old one.")
        self._lists[wanted.id] = found
        if self._reached is None or self._reached.is_behind(found.position):
            self._reached = found.position
        self._gather()

    def _require_reached(self, position: Position) -> None:
        """Raises `IssuerUnavailable` where less is told than ever was, to whatever question: what
        was revoked in between would pass again."""
        if self._reached is not None and position.is_behind(self._reached):
            raise IssuerUnavailable("The node that answered has not come as far as this verifier.")
        self._reached = position

    def _gather(self) -> None:
        """Once every list is here, reads on from the earliest position at which one of them, or
        the directory, stood: what comes after it is applied to all, and to none twice wrongly."""
        if self._begun is None or self._wanted() is not None:
            return
        said = self._begun.read.position
        numbers = [each.position.number for each in self._lists.values()]
        self._start = Start(
            position=Position(said.epoch, min([said.number, *numbers])),
            at=self._begun.read.at,
            lists={list_id: each.bits for list_id, each in self._lists.items()},
        )

    def _question(self) -> Question:
        position, wait, sealed = self.mirror.position, _NOTHING, self._seal
        if self._is_cold:
            position, sealed = self._start.position if self._start else None, ""
        elif self.max_staleness is not None and not self.is_failing:
            wait = self._pace.wait(self.max_staleness)
        return Question(
            nonce=status_feed.nonce_of(self._entropy(status_feed.NONCE_BYTES)),
            position=position,
            seal=sealed,
            terms=self._terms[0] if self._terms is not None else "",
            wait=wait,
            verifier=self._name,
        )

    def _wanted(self) -> StatusList | None:
        """A list that is still to be fetched."""
        if self._begun is None or self._start is not None:
            return None
        missing = (each for each in self._begun.terms.lists if each.id not in self._lists)
        return next(missing, None)

    def _begin_again(self) -> None:
        """From the lists; what the mirror holds goes on ageing meanwhile."""
        self._begun = self._start = None
        self._lists = {}
        self._is_cold = True

    def _status_keys(self) -> PublicKeySet:
        keys = self.keys.for_status()
        if keys is None:
            raise KeyUnknown
        return keys

    def _bound(self, terms: Terms, client_id: str) -> timedelta:
        return self._tightened(terms.max_staleness_of(client_id))

    def _tightened(self, span: timedelta) -> timedelta:
        return span if self._tightest is None else min(span, self._tightest)

    def _patience(self) -> float:
        terms = self._standing
        spans = [] if terms is None else [terms.max_staleness, *terms.longer.values()]
        longest = self._tightened(max(spans)) if spans else None
        return self._pace.patience(self.max_staleness, longest=longest)

    def _pause(self) -> float:
        if not self.has_feed:
            return NO_FEED_PAUSE * self._chance.uniform(0.5, 1)
        return self._pace.pause(self.max_staleness)


def _ttl() -> float:
    return status_token.TTL.total_seconds()
