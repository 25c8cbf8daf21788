"""The judge, before nodes that forget one thing each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from crash import judge as judging
from crash.calling import NONE, NOTHING, Answer, Credential
from crash.held import GRACE, Violation
from crash.judge import judge
from crash.node import Node
from crash.person import Person

if TYPE_CHECKING:
    from crash.held import Held


@dataclass
class Record:
    generation: int = 1
    has_ended: bool = False


@dataclass
class PlainNode(Node):
    """Answers from records; handles are `ID.GENERATION`, tokens `ID`. is_silent: does what it is
    asked, and its answers get lost."""

    records: dict[str, Record] = field(default_factory=dict)
    is_silent: bool = False

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, str] | None = None,
        credential: Credential = NONE,
    ) -> Answer:
        if (method, path) == ("POST", "/v1/sessions"):
            name = f"s{len(self.records)}"
            self.records[name] = Record()
            answer = self._opened(201, name)
        elif path == "/v1/session/refresh":
            answer = self._refresh((body or {})["refresh_handle"])
        else:
            answer = self._manage(method, path, credential.bearer)
        return NOTHING if self.is_silent else answer

    def _refresh(self, handle: str) -> Answer:
        name, _, generation = handle.partition(".")
        record = self.records.get(name)
        if record is None or int(generation) > record.generation:
            return refused("refresh_unknown")
        if record.has_ended:
            return refused("session_revoked")
        record.generation += int(generation) == record.generation
        return self._opened(200, name)

    def _manage(self, method: str, path: str, name: str) -> Answer:
        if self.records[name].has_ended:
            return refused("session_revoked")
        if path == "/v1/sessions":
            live = [each for each, record in self.records.items() if not record.has_ended]
            return Answer(200, {"sessions": [{"id": each} for each in live]})
        if method == "GET":
            return Answer(200, {"session_id": name})
        chosen = path.removeprefix("/v1/session").removeprefix("s/") or name
        self.records[chosen].has_ended = True
        return Answer(200, {"revoked": 1})

    def _opened(self, status: int, name: str) -> Answer:
        handle = f"{name}.{self.records[name].generation}"
        given = {"token": name, "refresh_handle": handle}
        return Answer(status, {"session": {"id": name}, "credential": given})


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "HEARD_WITHIN", 0.1)


def refused(code: str) -> Answer:
    return Answer(401, {"code": code})


def nodes(*, one_store: bool = True) -> tuple[PlainNode, PlainNode]:
    first, second = (PlainNode(name, 0, Path(name), (), {}) for name in ("A", "B"))
    if one_store:
        second.records = first.records
    return first, second


def ann(first: PlainNode, second: PlainNode) -> tuple[Person, Held, Held]:
    """Somebody who has signed in twice, and refreshed."""
    person = Person("ann", (first, second))
    held, other = (person.sign_in(first, "api")[0] for _ in range(2))
    assert person.refresh(held, second).status == 200
    return person, held, other


def verdict(person: Person) -> str:
    with pytest.raises(Violation) as found:
        judge(person, Random(1))
    return str(found.value)


def test_nodes_that_forget_nothing_pass() -> None:
    """With sessions that live and that have ended."""
    first, second = nodes()
    person, _, other = ann(first, second)
    person.sign_out(other, second)
    judge(person, Random(1))
    judge(person, Random(2))
    assert person.ended == [other]


def test_a_sign_in_that_is_missing_is_found() -> None:
    first, second = nodes()
    person, held, _ = ann(first, second)
    del first.records[held.session_id]
    assert "is missing" in verdict(person)


def test_a_rotation_that_is_missing_is_found() -> None:
    """The handle that was acknowledged is none that the node ever gave out."""
    first, second = nodes()
    person, held, _ = ann(first, second)
    first.records[held.session_id].generation -= 1
    assert "refresh_unknown" in verdict(person)


def test_a_revocation_that_is_undone_is_found() -> None:
    first, second = nodes()
    person, held, _ = ann(first, second)
    person.sign_out(held, first)
    first.records[held.session_id].has_ended = False
    assert "has ended, and a refresh" in verdict(person)


def test_a_revocation_that_one_node_never_hears_of_is_found() -> None:
    first, second = nodes()
    person, held, _ = ann(first, second)
    second.records = {name: Record(**vars(each)) for name, each in first.records.items()}
    person.sign_out(held, first)
    assert "at B answers 200" in verdict(person)


def test_a_session_that_nobody_opened_is_found() -> None:
    first, second = nodes()
    person, _, _ = ann(first, second)
    first.records["another"] = Record()
    assert "sessions more are listed" in verdict(person)


@pytest.mark.parametrize("what", ["sign_out", "refresh"])
@pytest.mark.parametrize("happened", [True, False])
def test_what_went_unanswered_may_have_happened_or_not(what: str, *, happened: bool) -> None:
    """From then on it is known."""
    first, second = nodes()
    person, held, _ = ann(first, second)
    before = Record(**vars(first.records[held.session_id]))
    first.is_silent = True
    getattr(person, what)(held, first)
    first.is_silent = False
    if not happened:
        vars(first.records[held.session_id]).update(vars(before))
    judge(person, Random(1))
    assert (held in person.ended) == (happened and what == "sign_out")
    assert held in person.ended or held.is_plain


def test_a_sign_in_that_went_unanswered_may_have_left_a_session() -> None:
    """It is ended, and may not come back."""
    first, second = nodes()
    person, _, _ = ann(first, second)
    first.is_silent = True
    held, answer = person.sign_in(first, "api")
    first.is_silent = False
    assert answer == NOTHING
    judge(person, Random(1))
    assert first.records["s2"].has_ended
    first.records["s2"].has_ended = False
    assert "has ended, and is listed" in verdict(person)
    assert held not in person.sessions


def test_a_spent_handle_that_arrives_after_its_grace_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a machine that is too busy; it ends the session, of which nothing more is asked."""
    first, second = nodes()
    person, held, other = ann(first, second)
    person.sign_out(other, first)
    sent = Person.refresh

    def too_late(self: Person, held: Held, node: Node, *, spent: str = "") -> Answer:
        if not spent:
            return sent(self, held, node)
        held.spent_at -= GRACE + 1
        first.records[held.session_id].has_ended = True
        return refused("refresh_reused")

    monkeypatch.setattr(Person, "refresh", too_late)
    judge(person, Random(1))
    assert held not in person.sessions
    assert person.heard["too late to say"] == 1


def test_what_is_told_of_an_answer_holds_no_credential() -> None:
    """Neither in a history nor where a session is shown."""
    first, second = nodes()
    person, held, _ = ann(first, second)
    shown: list[Any] = [held, *held.history, first]
    person.sign_out(held, first)
    assert not any(f"{held.session_id}." in f"{each!r}" for each in shown)
