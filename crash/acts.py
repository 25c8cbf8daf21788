"""What people do all day, each with a session that it can be done with, and what they must hear.

Whatever was acknowledged holds at once, at either node, while things are killed as well.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from crash.calling import Away
from crash.held import BOUND

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random
    from threading import Event

    from crash.calling import Answer
    from crash.held import Held
    from crash.node import Node
    from crash.person import Person

    Act = Callable[[Person, Node, Random], Answer | None]

FEW: Final = 2  # sessions; who has fewer signs in before anything else
MANY: Final = 6  # who has so many does not
PAUSE: Final = 0.01  # seconds between two requests, at most
REST: Final = 0.15  # and where there was no answer
LATELY: Final = 30  # sessions that ended last


def act(person: Person, chance: Random, stop: Event) -> None:
    """Goes on until told to stop. Raises `Violation`."""
    while not stop.is_set():
        for held in [each for each in person.sessions if not each.is_in_time]:
            person.lose(held)
        chosen: Act = sign_in
        if len(person.sessions) >= FEW or monotonic() < person.signs_in_from:
            chosen = chance.choices([*ACTS], [*ACTS.values()])[0]
        try:
            answer = chosen(person, chance.choice(person.nodes), chance)
        except Away:
            answer = None
            stop.wait(REST / 2)
        stop.wait(chance.uniform(0, REST if answer and answer.is_unknown else PAUSE))


def sign_in(person: Person, node: Node, chance: Random) -> Answer | None:
    if len(person.sessions) >= MANY or monotonic() < person.signs_in_from:
        return None
    held, answer = person.sign_in(node, chance.choice(("web", "api")))
    if answer.code == "sign_in_refused" and person.is_ending_all:
        return answer  # it came between after all, late
    # A sign-in that was killed counts as a failure.
    _require(held, answer, 201, "too_many_attempts")
    return answer


def check(person: Person, node: Node, chance: Random) -> Answer | None:
    held = _one(person, chance, lambda held: held.is_plain and held.is_fresh)
    if held is None:
        return None
    answer = person.check(held, node)
    _require(held, answer, 200)
    return answer


def refresh(person: Person, node: Node, chance: Random) -> Answer | None:
    held = _one(
        person,
        chance,
        lambda held: not held.is_doubtful and held.unanswered != "step-up" and held.may_rotate,
    )
    if held is None:
        return None
    answer = person.refresh(held, node)
    if held.is_in_time:
        _require(held, answer, 200)
    return answer


def refresh_again(person: Person, node: Node, chance: Random) -> Answer | None:
    """As a second tab does, which holds the former handle."""
    held = _one(person, chance, lambda held: held.is_plain and held.may_repeat)
    if held is None:
        return None
    answer = person.refresh(held, node, spent=held.spent)
    if not held.is_forgotten:
        _require(held, answer, 200)
    elif answer.status != 200:
        person.lose(held)
    return answer


def step_up(person: Person, node: Node, chance: Random) -> Answer | None:
    held = _one(
        person,
        chance,
        lambda held: not held.is_doubtful and held.unanswered != "refresh" and held.is_fresh,
    )
    if held is None:
        return None
    answer = person.step_up(held, node)
    if held.is_in_time:
        _require(held, answer, 200, "too_many_attempts")
    return answer


def sign_out(person: Person, node: Node, chance: Random) -> Answer | None:
    held = _one(person, chance, lambda _: True)
    if held is None:
        return None
    answer = person.sign_out(held, node)
    _require(held, answer, 200)
    return answer


def revoke_one(person: Person, node: Node, chance: Random) -> Answer | None:
    actor = _one(person, chance, lambda held: held.is_plain and held.is_fresh)
    held = _one(person, chance, lambda held: held is not actor)
    if actor is None or held is None:
        return None
    answer = person.revoke_one(actor, held, node)
    _require(held, answer, 200)
    return answer


def revoke_others(person: Person, node: Node, chance: Random) -> Answer | None:
    actor = _one(person, chance, lambda held: held.is_plain and held.is_fresh)
    if actor is None:
        return None
    answer = person.revoke_others(actor, node)
    _require(actor, answer, 200)
    return answer


def use_ended(person: Person, node: Node, chance: Random) -> Answer | None:
    """What has ended is refused, a handle at once, a token within its bound."""
    if not person.ended:
        return None
    held = chance.choice(person.ended[-LATELY:])
    is_bound = not held.token or monotonic() - held.ended_at > BOUND
    if is_bound and chance.random() < 0.5:
        answer = person.check(held, node)
        _require(held, answer, "session_revoked", "" if held.is_fresh else "credential_expired")
    else:
        answer = person.refresh(held, node)
        _require(held, answer, "session_revoked")
    return answer


# How often each is done, against the others. A sign-in costs a fifth of a second of a processor.
ACTS: Final[dict[Act, float]] = {
    refresh: 55,
    check: 15,
    refresh_again: 8,
    use_ended: 8,
    sign_in: 8,
    sign_out: 4,
    revoke_one: 4,
    revoke_others: 1,
    step_up: 0.5,
}


def _one(person: Person, chance: Random, fits: Callable[[Held], bool]) -> Held | None:
    fitting = [held for held in person.sessions if fits(held)]
    return chance.choice(fitting) if fitting else None


def _require(held: Held, answer: Answer, *wanted: int | str) -> None:
    """That it is one of these statuses and codes, or that there is no answer."""
    if not answer.is_unknown and answer.status not in wanted and answer.code not in wanted:
        raise held.violated(f"must be answered {wanted[0]}, and is answered {answer}")
