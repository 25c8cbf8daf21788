"""The addresses at which an issuer tells verifiers about status: the feed, the lists, and which
lists there are. Readable by all: an index says nothing about whose it is."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from contextlib import nullcontext, suppress
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl

from counterfoil.errors import CounterfoilError, Malformed, StoreUnavailable
from counterfoil.integrations.answers import Answer, document, published, refusal
from counterfoil.status_change import Position
from counterfoil.status_feed import Question
from counterfoil.status_token import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractContextManager

    from counterfoil.feeds.published import Published
    from counterfoil.feeds.pump import Ready, Settling
    from counterfoil.integrations.issuer import Scope
    from counterfoil.status_change import FeedRead

FEED: Final = "/status/feed"
AGGREGATION: Final = "/status/lists"
LISTS: Final = AGGREGATION + "/"
FEED_TYPE: Final = b"application/jwt"
TOLD_WITHIN: Final = 0.05  # seconds
HEARD_BESIDE: Final = 0.02  # of them, in which other processes have read on, and told theirs
ANSWERED_WITHIN: Final = 2.0  # seconds beyond the wait; a store that is away answers nobody
_SOON: Final = timedelta(seconds=1)
_AGGREGATION_AGE: Final = 60
_LONGEST_QUERY: Final = 512

AnswerKind: TypeAlias = Literal["news", "nothing", "lists", "refused"]


class Register(Protocol):
    """Knows which verifiers have a name, and keeps count of all that poll the feed."""

    async def authenticate(self, scope: Scope) -> str | None:
        """The client as which this poll authenticates; None where it does not try to. Raises
        `ClientRefused` for a secret that is not the client's; then the poll is not answered."""

    def polling(self, name: str | None, question: Question) -> AbstractContextManager[object]:
        """Notes a poll, which lasts as long as the context."""

    def answered(self, kind: AnswerKind) -> None:
        """Counts an answer: with news, with nothing new, one that says to begin with the lists, or
        a refusal."""


class Uncounted:
    """The register of who keeps none: everybody is welcome, and nobody has a name."""

    async def authenticate(self, _: Scope) -> str | None:
        return None

    def polling(self, name: str | None, question: Question) -> AbstractContextManager[object]:
        del name, question
        return nullcontext()

    def answered(self, kind: AnswerKind) -> None:
        pass


class StatusPages:
    """The status of one issuer's node. path: of the issuer's URL."""

    def __init__(self, source: Published, path: str, register: Register, *, is_alone: bool) -> None:
        self._source = source
        self._is_alone = is_alone
        self._register = register
        self._prefixes = {"", path}
        source.prepare()

    def at(self, paths: Iterable[str]) -> Callable[[Scope], Awaitable[Answer]] | None:
        """What answers at one of these paths; None where that is nothing of ours."""
        for path in paths:
            for prefix in self._prefixes:
                if not path.startswith(prefix):
                    continue
                rest = path.removeprefix(prefix)
                if rest == FEED:
                    return self._feed
                if rest == AGGREGATION:
                    return self._aggregation
                if rest.startswith(LISTS):
                    list_id = rest.removeprefix(LISTS)
                    return lambda scope: self._list(scope, list_id)
        return None

    def release(self) -> None:
        """Has nobody wait any more."""
        self._source.release()

    async def told(self) -> None:
        """Until every verifier that asks here has heard of what was committed, or a moment has gone
        by: then the next call at any of them is refused, where the network is well. Nothing rests
        on it: who is slow, or lies, refuses by itself within max_staleness."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the engine's coroutine is driven by hand
            self.told_in_thread()
            return
        heard = asyncio.Event()

        def done() -> None:
            with suppress(RuntimeError):  # the loop is closed, and who waited there is gone
                loop.call_soon_threadsafe(heard.set)

        settling, beside = self._settle(done), 0.0 if self._is_alone else HEARD_BESIDE
        if beside:
            await asyncio.sleep(beside)
        if settling is None:
            return
        try:
            await asyncio.wait_for(heard.wait(), TOLD_WITHIN - beside)
        except TimeoutError:
            self._source.pump.unsettle(settling)

    def told_in_thread(self) -> None:
        """The same in a thread without a loop."""
        heard = threading.Event()
        settling, beside = self._settle(heard.set), 0.0 if self._is_alone else HEARD_BESIDE
        time.sleep(beside)
        if settling is not None and not heard.wait(TOLD_WITHIN - beside):
            self._source.pump.unsettle(settling)

    def _settle(self, done: Callable[[], object]) -> Settling | None:
        position = self._source.mirror.position
        if position is None:
            return None
        uptime = self._source.clock.uptime()
        return self._source.pump.settle(position, uptime=uptime, done=done)

    async def _feed(self, scope: Scope) -> Answer:
        try:
            name = await self._register.authenticate(scope)
            question = Question.read(_query(scope))
            with self._register.polling(name, question):
                ready = await self._ready(question)
                read = await self._source.read_for(question, ready)
        except CounterfoilError:
            self._register.answered("refused")
            raise
        token = self._source.signed(question, ready, read)
        self._register.answered(_kind(question, read, ready.terms.digest))
        headers = [
            (b"content-type", FEED_TYPE),
            (b"cache-control", b"no-store"),
            (b"access-control-allow-origin", b"*"),
            (b"x-content-type-options", b"nosniff"),
        ]
        return Answer(HTTPStatus.OK, headers, token.encode())

    async def _ready(self, question: Question) -> Ready:
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        answered: asyncio.Future[Ready] = loop.create_future()

        def settle(ready: Ready) -> None:
            if not answered.done():
                answered.set_result(ready)

        def deliver(ready: Ready) -> None:
            with suppress(RuntimeError):  # the loop is closed, and who waited there is gone
                if threading.get_ident() == thread:
                    settle(ready)
                else:
                    loop.call_soon_threadsafe(settle, ready)

        def give_up() -> None:
            if not answered.done():
                late = StoreUnavailable("The store was not read in time.", retry_after=_SOON)
                answered.set_exception(late)

        # Half of what wait_for costs, for every poll.
        limit = loop.call_later(question.wait.total_seconds() + ANSWERED_WITHIN, give_up)
        try:
            waiting = await self._source.entered(question, deliver)
            try:
                return await answered
            finally:
                self._source.pump.leave(waiting)
        finally:
            limit.cancel()

    async def _list(self, scope: Scope, list_id: str) -> Answer:
        query = dict(_query(scope))
        if "time" in query:  # §8.4: a provider that keeps no history says so
            return refusal(Malformed("Only the present list is kept."), HTTPStatus.NOT_IMPLEMENTED)
        if not _accepts(scope, b"accept", MEDIA_TYPE.encode(), b"application/*", b"*/*"):
            said = Malformed(f"A status list is served as {MEDIA_TYPE}.")
            return refusal(said, HTTPStatus.NOT_ACCEPTABLE)
        # Packing takes milliseconds, in which the loop has others to answer.
        signed = await asyncio.to_thread(
            self._source.signed_list, list_id, at_least=_at_least(query)
        )
        body, more = signed.token.encode(), [(b"vary", b"Accept-Encoding")]
        if _names(scope, b"accept-encoding", b"gzip"):
            body = gzip.compress(body, 6, mtime=0)
            more.append((b"content-encoding", b"gzip"))
        left = (signed.expires_at - self._source.clock.now()).total_seconds()
        return published(
            body,
            scope,
            media_type=MEDIA_TYPE.encode(),
            max_age=max(0, int(left) - 5),
            more=tuple(more),
        )

    async def _aggregation(self, scope: Scope) -> Answer:
        self._source.feed.ensure()
        uris = sorted(self._source.lists.uris())
        return document({"status_lists": uris}, scope, max_age=_AGGREGATION_AGE)


def _kind(question: Question, read: FeedRead, terms: str) -> AnswerKind:
    if read.after is None:
        return "lists"
    is_news = read.position != question.position or question.terms != terms
    return "news" if is_news else "nothing"


def _query(scope: Scope) -> list[tuple[str, str]]:
    query: bytes = scope.get("query_string", b"")
    if len(query) > _LONGEST_QUERY:
        raise Malformed("The query is longer than any that is asked here.")
    try:
        text = query.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=16)
    except ValueError:
        raise Malformed("The query cannot be read.") from None


def _at_least(query: dict[str, str]) -> Position | None:
    """A position that a verifier has heard of. It also keeps caches on the way from answering with
    an older list. What cannot be read is passed over: the draft says nothing of it."""
    number = query.get("number", "")
    if not (number.isascii() and number.isdecimal() and len(number) <= 18 and "epoch" in query):  # noqa: PLR2004 - as in the feed
        return None
    return Position(query["epoch"], int(number))


def _accepts(scope: Scope, header: bytes, *names: bytes) -> bool:
    """Whether the header names one of these, or is not there."""
    return all(name != header for name, _ in scope["headers"]) or _names(scope, header, *names)


def _names(scope: Scope, header: bytes, *names: bytes) -> bool:
    for name, value in scope["headers"]:
        if name == header:
            for part in value.lower().split(b","):
                word, _, weight = part.partition(b";")
                if word.strip() in names and weight.strip().rstrip(b"0.") != b"q=":
                    return True
    return False
