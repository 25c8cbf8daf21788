"""What an issuer's node publishes of its status: answers to questions, and signed lists.

It has no HTTP in it: `integrations.issuer` serves it, and a simulation can too.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil import status_feed
from counterfoil.errors import CounterfoilError, IssuerUnavailable, NotFound, Unavailable
from counterfoil.feeds.list_tokens import ListTokens
from counterfoil.feeds.pump import Pump, continued, terms_of
from counterfoil.lifetime import has_passed
from counterfoil.status_feed import WrittenTerms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from counterfoil.client import Client
    from counterfoil.clock import Clock
    from counterfoil.feeds.list_tokens import Signed
    from counterfoil.feeds.local import LocalFeed
    from counterfoil.feeds.pump import Ready, Waiting
    from counterfoil.keys import SigningKey
    from counterfoil.ports import Keys, Store
    from counterfoil.status_change import FeedRead, Position
    from counterfoil.status_feed import Question
    from counterfoil.status_list import Issuing
    from counterfoil.status_mirror import StatusMirror

ALGORITHM: Final = "ES256"
KEPT: Final = 32  # reads, and texts, that questions at the same position share


class _OwnRead(NamedTuple):
    read: FeedRead
    began: float


@dataclass(slots=True, eq=False)
class Published:
    """One node of an issuer. Every verifier that asks here is answered by what `feed` reads."""

    issuer: str
    keys: Keys
    clients: Mapping[str, Client]
    clock: Clock
    store: Store
    issuing: Issuing
    feed: LocalFeed
    mirror: StatusMirror
    pump: Pump = field(default_factory=Pump)
    lists: ListTokens = field(init=False)
    _lacks_lists: bool = False
    _reads: dict[Position | None, _OwnRead] = field(default_factory=dict, repr=False)
    _texts: dict[tuple[object, ...], str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.lists = ListTokens(self.issuer, self.mirror)
        self.feed.listen(self._take)

    def prepare(self) -> None:
        """Has the keys that sign here in the published set before anything is signed with them."""
        self.status_key()

    def status_key(self) -> SigningKey:
        """What signs lists and answers now; made, and published, if it is not there."""
        try:
            return self.keys.signing_keys().active(ALGORITHM, "status")
        except NotFound:
            now = self.clock.now()
            keys = self.keys.update(lambda keys: keys.with_purpose("status", now=now))
            return keys.active(ALGORITHM, "status")

    def enter(self, question: Question, deliver: Callable[[Ready], None]) -> Waiting:
        """Lets a question in; `deliver` hears once what to answer it with.

        Raises `StoreUnavailable` where the store cannot be read, `RestoreUndeclared` where it was
        put back from a copy, and `Overloaded`.
        """
        self.feed.ensure()
        uptime = self.clock.uptime()
        waiting = self.pump.enter(question, uptime=uptime, deliver=deliver)
        quiet = self.pump.quiet(uptime=uptime)
        try:
            if quiet and waiting.due > uptime and self._is_behind(question):
                self.feed.read_by(uptime + quiet)  # one read then, for all who came meanwhile
            elif question.position != self.mirror.position or question.terms != self.pump.digest:
                self.feed.catch_up()
                self._hear(question)
        except Unavailable:
            self.pump.leave(waiting)
            raise
        return waiting

    async def entered(self, question: Question, deliver: Callable[[Ready], None]) -> Waiting:
        """`enter`, where an event loop may not wait for the store."""
        return await self.store.aside(lambda: self.enter(question, deliver))

    def release(self) -> None:
        """Answers everybody who waits, with the next read at the latest, and lets nobody wait any
        more: the node is to stop."""
        self.pump.release()
        if self.pump.waiting and not self.feed.is_aside:
            with suppress(Unavailable):
                self.feed.catch_up()

    async def answer(self, question: Question, ready: Ready) -> str:
        """The signed answer. Raises `IssuerUnavailable` where the verifier has come further than
        this node's store, and `StoreUnavailable`."""
        return self.signed(question, ready, await self.read_for(question, ready))

    async def read_for(self, question: Question, ready: Ready) -> FeedRead:
        """What the answer is to tell. Raises as `answer` does."""
        if self._lacks_lists:
            with suppress(Unavailable):
                await self._announce()
        return ready.read or await self._own_read(question, ready.arrived)

    def signed(self, question: Question, ready: Ready, read: FeedRead) -> str:
        """The signed answer that tells this."""
        terms = _at(read, ready.terms)
        payload = status_feed.completed(self._written(read), question, terms)
        return status_feed.sign(payload, key=self.status_key())

    async def _own_read(self, question: Question, arrived: float) -> FeedRead:
        """The feed from this question's position on, by a read that began after it arrived. Others
        at the same position share it."""
        position = question.position
        kept = self._reads.get(position)
        if kept is None or kept.began < arrived:
            began = self.clock.uptime()
            read = await self.store.feed(position, now=self.clock.now())
            await self.store.aside(partial(self.feed.require_current, read.position))
            kept = _OwnRead(read, began)
            if len(self._reads) >= KEPT:
                self._reads.clear()
            self._reads[position] = kept
        try:
            return continued(question, kept.read)
        except IssuerUnavailable:
            await self.store.aside(lambda: self._is_ahead(question))
            raise

    def _written(self, read: FeedRead) -> str:
        mark = (read.after, read.position, read.at)
        if mark not in self._texts:
            sealed = status_feed.seal(read.position, secrets=self.keys.handle_secrets())
            if len(self._texts) >= KEPT:
                self._texts.clear()
            self._texts[mark] = status_feed.written(read, issuer=self.issuer, sealed=sealed)
        return self._texts[mark]

    def signed_list(self, list_id: str, *, at_least: Position | None = None) -> Signed:
        """A signed list. Raises `NotFound`, `StoreUnavailable` and `IssuerUnavailable`."""
        self.feed.ensure()
        position = self.mirror.position
        is_behind = at_least is not None and (position is None or position != at_least)
        if is_behind or list_id not in self.mirror.lists:
            self.feed.catch_up()
        return self.lists.current(
            list_id, key=self.status_key(), uptime=self.clock.uptime(), at_least=at_least
        )

    async def _announce(self) -> None:
        """Has those lists announced that tokens of this window and the next will name. Only where
        verifiers ask, and so before they meet such a token: they ask all the time."""
        self._lacks_lists = False
        await self.store.reserve(self.issuing, count=0, now=self.clock.now())
        await self.store.aside(self.feed.catch_up)

    def _take(self, read: FeedRead, began: float) -> None:
        try:
            keys = self.keys.signing_keys().public()
            terms = terms_of(read, keys=keys, clients=self.clients.values())
        except CounterfoilError:
            return  # who waits goes on waiting, and asks again
        self._lacks_lists = self._issues_status() and not _is_announced(read, self.clock.now())
        uptime = self.clock.uptime()
        again = self.pump.take(read, terms, began=began, uptime=uptime)
        self.feed.rest = self.pump.rest
        if again is not None:
            self.feed.read_by(uptime + again)

    def _issues_status(self) -> bool:
        return any(client.strategy == "hybrid" for client in self.clients.values())

    def _is_behind(self, question: Question) -> bool:
        position, known = question.position, self.mirror.position
        return position is not None and known is not None and position.is_behind(known)

    def _hear(self, question: Question) -> None:
        """A verifier may come from an epoch that followed the store's: then it is not to begin anew
        with what is older."""
        position, known = question.position, self.mirror.position
        if position is None or known is None or position.epoch == known.epoch:
            return
        if known.is_behind(position):
            self._is_ahead(question)
            self.feed.ensure()

    def _is_ahead(self, question: Question) -> None:
        """A verifier was told a position that the store has not: if that was by this issuer, then
        the store has been put back to before."""
        position = question.position
        secrets = self.keys.handle_secrets()
        if position is not None and status_feed.is_sealed(position, question.seal, secrets=secrets):
            self.feed.witness(position)


def _at(read: FeedRead, terms: WrittenTerms) -> WrittenTerms:
    """The terms, with the directory of this very read: what an answer says of a list that is not in
    it is passed over, and the list would be taken for a new one afterwards."""
    if read.lists == terms.terms.lists:
        return terms
    return WrittenTerms(replace(terms.terms, lists=read.lists))


def _is_announced(read: FeedRead, now: datetime) -> bool:
    """Whether there is a list to give out indices from, and one for the window that follows."""
    issuing = [known for known in read.lists if known.is_issuing(now=now)]
    return bool(issuing) and any(
        has_passed(known.closes_at, now=following.opens_at)
        for known in issuing
        for following in read.lists
    )
