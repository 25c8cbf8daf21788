"""Somebody with an account: their sessions, what they ask about them, and what they know."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from crash.calling import NONE, Away, Credential, Hanging
from crash.held import Held, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crash.calling import Answer
    from crash.node import Node

PASSWORD: Final = "otters juggle nine brass lanterns"  # noqa: S105 - it protects nothing


class Request(NamedTuple):
    """One call. kind: as what it is counted; what: as what it is told."""

    kind: str
    what: str
    method: str
    path: str
    body: dict[str, str] | None = None
    credential: Credential = NONE


class Person:
    """The only one who uses this account.

    strays: so many sessions there may be of which nothing more is known, since a sign-in went
    unanswered or a retry came too late. is_ending_all: whether an end of all sessions went
    unanswered in this round. ended_before: so many had ended when it began. signs_in_from: a killed
    sign-in counts as a failure, and who does not wait then is locked out at last. heard: what came
    back, counted.
    """

    def __init__(self, name: str, nodes: Sequence[Node]) -> None:
        self.name = name
        self.nodes = nodes
        self.sessions: list[Held] = []
        self.ended: list[Held] = []
        self.ended_ids: dict[str, Held] = {}
        self.strays = 0
        self.is_ending_all = False
        self.signs_in_from = 0.0
        self.heard: Counter[str] = Counter()
        self.ended_before = 0
        self._round = 0
        self._opened = 0

    def register(self) -> None:
        sent = {"identifier": self.name, "password": PASSWORD}
        answer = self.nodes[0].call("POST", "/v1/accounts", sent)
        if answer.status != 201:
            raise Violation(f"{self.name} cannot register: {answer}")

    def begin(self, number: int) -> None:
        """A round."""
        self._round = number
        self.ended_before = len(self.ended)
        self.is_ending_all = False

    # What they ask. Each raises `Away`, and `Violation` for what nobody may ever hear.

    def sign_in(self, node: Node, client_id: str) -> tuple[Held, Answer]:
        self._opened += 1
        held = Held(f"{self.name}/{client_id}-{self._opened}", client_id)
        sent = {"client_id": client_id, "identifier": self.name, "password": PASSWORD}
        asked_at = monotonic()
        answer = self._ask(held, node, Request("sign-ins", "sign in", "POST", "/v1/sessions", sent))
        if answer.status == 201:
            held.session_id = answer.body["session"]["id"]
            held.take(answer, asked_at=asked_at)
            self.sessions.append(held)
        elif answer.is_unknown:
            self.strays += 1
        elif answer.status == 429:
            self.signs_in_from = asked_at + answer.retry_after + 1
        return held, answer

    def check(self, held: Held, node: Node) -> Answer:
        request = Request("checks", "check", "GET", "/v1/session", credential=held.credential)
        answer = self._ask(held, node, request)
        if answer.status == 200 and answer.body["session_id"] != held.session_id:
            raise held.violated(f"{node.name} takes it for another session")
        return answer

    def refresh(self, held: Held, node: Node, *, spent: str = "") -> Answer:
        """With the last handle that was heard of, which one that went unanswered may have spent;
        or with one that is spent."""
        what = "refresh, with a spent handle" if spent else f"refresh, with handle {held.handles}"
        handle, asked_at = spent or held.handle, monotonic()
        request = Request("repeats" if spent else "rotations", what, "POST", "/v1/session/refresh")
        if held.token:
            request = request._replace(body={"refresh_handle": handle})
        else:
            request = request._replace(credential=Credential(cookie=handle))
        answer = self._ask(held, node, request)
        if answer.status == 200:
            was = held.handle
            held.take(answer, asked_at=asked_at)
            if spent and held.handle != was:
                raise held.violated("a spent handle leads to another successor than before")
        elif answer.is_unknown and not spent:
            held.ask_again("refresh", asked_at=asked_at)
        return answer

    def step_up(self, held: Held, node: Node) -> Answer:
        sent = {"password": PASSWORD}
        asked_at = monotonic()
        path = "/v1/session/step-up"
        request = Request("step-ups", "step up", "POST", path, sent, credential=held.credential)
        answer = self._ask(held, node, request)
        if answer.status == 200:
            held.take(answer, asked_at=asked_at, leads=False)
        elif answer.is_unknown:
            held.ask_again("step-up", asked_at=asked_at)
        return answer

    def sign_out(self, held: Held, node: Node) -> Answer:
        request = Request(
            "revocations", "sign out", "DELETE", "/v1/session", credential=held.credential
        )
        answer = self._ask(held, node, request)
        self._heard_of_ends(held, answer, [held])
        return answer

    def revoke_one(self, actor: Held, held: Held, node: Node) -> Answer:
        what, path = f"revoked by {actor.name}", f"/v1/sessions/{held.session_id}"
        request = Request("revocations", what, "DELETE", path, credential=actor.credential)
        answer = self._ask(held, node, request)
        self._heard_of_ends(held, answer, [held])
        return answer

    def revoke_others(self, actor: Held, node: Node) -> Answer:
        others = [each for each in self.sessions if each is not actor]
        what, path = "revoke others", "/v1/sessions?keep=current"
        request = Request("revocations", what, "DELETE", path, credential=actor.credential)
        answer = self._ask(actor, node, request)
        for each in others:
            each.history.append(f"{actor.history[-1]} (by {actor.name})")
        self._heard_of_ends(actor, answer, others, strays=self.strays)
        if answer.status == 200:
            self.strays = 0
        elif answer.is_unknown:
            self.is_ending_all = True
        return answer

    def listed(self, held: Held, node: Node) -> Answer:
        request = Request("lists", "list", "GET", "/v1/sessions", credential=held.credential)
        return self._ask(held, node, request)

    # What they know.

    def end(self, held: Held) -> None:
        """It has ended, and somebody said so."""
        self.sessions.remove(held)
        held.ended_at = monotonic()
        self.ended_ids[held.session_id] = held
        if held.handle:
            self.ended.append(held)

    def adopt(self, session_id: str) -> Held:
        """A session that they opened, and of which they were told no more than this."""
        held = Held(f"{self.name}/unheard-{session_id[:4]}", "", session_id)
        self.sessions.append(held)
        return held

    def lose(self, held: Held) -> None:
        """Nothing was heard for so long that a retry counts as a theft."""
        self.heard["too late to say"] += 1
        self.sessions.remove(held)
        self.strays += 1

    def _heard_of_ends(
        self, blamed: Held, answer: Answer, these: list[Held], *, strays: int = 0
    ) -> None:
        if answer.is_unknown:
            for held in these:
                held.is_doubtful = True
        if answer.status != 200:
            return
        surely = sum(not held.is_doubtful for held in these)
        if not surely <= answer.body["revoked"] <= len(these) + strays:
            raise blamed.violated(
                f"of those that were to end {surely} lived; the answer is {answer}"
            )
        for held in these:
            self.end(held)

    def _ask(self, held: Held, node: Node, request: Request) -> Answer:
        """Asks, and notes it in the history of a session."""
        began = monotonic()
        try:
            answer = node.call(*request[2:])
        except Away:
            self.heard["not asked, since nobody listened"] += 1
            raise
        except Hanging as why:
            raise held.violated(f"{node.name}: {why}") from None
        took = (monotonic() - began) * 1000
        held.history.append(
            f"round {self._round}, {began:.3f}: {request.what}, at {node.name}:"
            f" {answer} after {took:.0f} ms"
        )
        if answer.is_unknown:
            self.heard[f"unknown {request.kind}"] += 1
        elif answer.status < 300:
            self.heard[f"acknowledged {request.kind}"] += 1
        else:
            self.heard[f"refused {request.kind}, {answer.code}"] += 1
        if answer.status >= 500 and not answer.is_unknown:
            raise held.violated(f"{node.name} answers {answer}")
        return answer
