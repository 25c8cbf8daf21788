"""Bugs of those who check: what they believe, and how old they take it to be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from counterfoil import status_feed, status_token
from counterfoil.feeds.following import Following
from counterfoil.feeds.jwks import IssuerKeys
from counterfoil.status_mirror import StatusMirror
from simulation.machine import Machine
from simulation.planted.patching import payload, replaced

if TYPE_CHECKING:
    from contextlib import ExitStack

    from counterfoil.feeds.following import Get
    from counterfoil.status_change import FeedRead
    from counterfoil.status_feed import Question
    from counterfoil.status_list import StatusList


def freshness_from_receipt(patches: ExitStack) -> None:
    def made(original: Any) -> Any:
        def take(self: Following, get: Get, question: Question, body: str) -> None:
            now = get._replace(began=self.clock.uptime(), at=self.clock.now())
            original(self, now, question, body)

        return take

    replaced(patches, Following, "_take_answer", made)


def freshness_from_the_issuers_clock(patches: ExitStack) -> None:
    def made(original: Any) -> Any:
        def take(self: Following, get: Get, question: Question, body: str) -> None:
            original(self, get, question, body)
            said = self.mirror._said_at
            if said is not None and self._begun is None:
                age = (self.clock.now() - said).total_seconds()
                self.mirror._known_at = self.clock.uptime() - age

        return take

    replaced(patches, Following, "_take_answer", made)


def any_nonce(patches: ExitStack) -> None:
    def made(original: Any) -> Any:
        def read(text: str, question: Question, **more: Any) -> Any:
            nonce = payload(text).get("nonce", question.nonce)
            return original(text, replace(question, nonce=nonce), **more)

        return read

    replaced(patches, status_feed, "read_answer", made)


def uptime_without_suspend(patches: ExitStack) -> None:
    """`CLOCK_MONOTONIC`: it stands still while the machine sleeps."""
    slept: dict[Machine, tuple[float, float | None]] = {}

    def paused(original: Any) -> Any:
        def pause(self: Machine) -> None:
            slept[self] = (slept.get(self, (0.0, None))[0], self.loop.now)
            original(self)

        return pause

    def read(original: Any) -> Any:
        def uptime(self: Machine) -> float:
            lost, since = slept.get(self, (0.0, None))
            if since is not None:
                lost_now = lost + self.loop.now - since
                if not self.is_paused:
                    slept[self] = (lost_now, None)
                lost = lost_now
            running: float = original(self)
            return running - lost * self.rate

        return uptime

    replaced(patches, Machine, "pause", paused)
    replaced(patches, Machine, "uptime", read)


def late_answers_count(patches: ExitStack) -> None:
    """A late answer is applied over a newer one, which it does not make older."""

    def took(original: Any) -> Any:
        def take(self: Following, get: Get, status: int, body: bytes) -> None:
            out, self._out = self._out, get
            original(self, get, status, body)
            self._out = None if out is get else out

        return take

    def applied(original: Any) -> Any:
        def apply(self: StatusMirror, read: FeedRead, *, began: float, **more: Any) -> None:
            known, before = self._known_at, self.position
            if began < known and read.after is not None and before is not None:
                self._known_at = float("-inf")
                original(self, replace(read, after=before), began=began, **more)
                self.position, self._known_at = before, known
            else:
                original(self, read, began=began, **more)

        return apply

    replaced(patches, Following, "took", took)
    replaced(patches, Following, "_require_reached", lambda _: lambda *_: None)
    replaced(patches, StatusMirror, "apply", applied)


def distrust_unheard(patches: ExitStack) -> None:
    def made(original: Any) -> Any:
        def follow(self: IssuerKeys, terms: Any, digest: str, **more: Any) -> None:
            held = self._held.keys if self._held is not None else ()
            kids = terms.kids | {key.kid for key in held}
            original(self, replace(terms, kids=kids), digest, **more)

        return follow

    replaced(patches, IssuerKeys, "follow", made)


def any_list(patches: ExitStack) -> None:
    def made(original: Any) -> Any:
        def read(token: str, *, uri: str, **more: Any) -> Any:
            return original(token, uri=payload(token).get("sub", uri), **more)

        return read

    replaced(patches, status_token, "read", made)


def lists_are_fresh(patches: ExitStack) -> None:
    def made(original: Any) -> Any:
        def take(self: Following, wanted: StatusList, body: str) -> None:
            begun, out = self._begun, self._out
            original(self, wanted, body)
            found: Any = self._lists.get(wanted.id)
            mirror = self.mirror
            if found is None or out is None or begun is None:
                return
            mirror.lists = {**mirror.lists, wanted.id: found.bits}
            mirror.position = mirror.position or begun.read.position
            self._standing = self._standing or begun.terms
            mirror._known_at = max(mirror._known_at, out.began)

        return take

    replaced(patches, Following, "_take_list", made)


def begins_at_the_directory(patches: ExitStack) -> None:
    """Lists that stood earlier than the directory miss what came in between."""

    def made(original: Any) -> Any:
        def gather(self: Following) -> None:
            original(self)
            if self._start is not None and self._begun is not None:
                self._start = self._start._replace(position=self._begun.read.position)

        return gather

    replaced(patches, Following, "_gather", made)
