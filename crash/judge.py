"""After everything runs again: whether all that was acknowledged is so, at both nodes.

What went unanswered may have happened or not. The first answer says which, and from then on it is
so everywhere: a session that may have ended has ended or lives, a handle that may have been spent
leads to one successor, a sign-in that may have opened a session is in the list of devices or not.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from crash.calling import Answer, Away

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from crash.held import Held
    from crash.node import Node
    from crash.person import Person

ANSWERED_WITHIN: Final = 10.0  # seconds; a node that is ready may lack a connection for a moment
HEARD_WITHIN: Final = 2.0  # seconds in which a node that is ready has read what has ended
OLDER: Final = 10  # sessions that ended in former rounds, asked for again


def judge(person: Person, chance: Random) -> None:
    """Asks about all sessions of somebody who does nothing meanwhile. Raises `Violation`."""
    nodes = chance.sample(person.nodes, len(person.nodes))
    # First those whose grace passes soonest.
    for held in sorted(person.sessions, key=lambda held: (not held.unanswered, held.unanswered_at)):
        _decide(person, held, *nodes)
    former, latest = person.ended[: person.ended_before], person.ended[person.ended_before :]
    for held in [*latest, *chance.sample(former, min(OLDER, len(former)))]:
        _require_ended(person, held)
    _compare_lists(person, *nodes)


def _decide(person: Person, held: Held, first: Node, second: Node) -> None:
    """Asks the first node what has become of a session, and has the second one agree."""
    spent = held.handle
    if held.unanswered == "step-up":
        answer = _answered(held, first, person.step_up)
    else:
        answer = _answered(held, first, person.refresh)
    if answer.code == "session_revoked" and held.is_doubtful:
        person.end(held)
        return
    if answer.status != 200:
        # is_in_time is asked after the answer: it says nothing of one that may have come too late.
        if held.is_in_time:
            raise held.violated(f"was acknowledged and is missing: {first.name} answers {answer}")
        person.lose(held)
        return
    held.is_doubtful = False
    for node in (first, second):
        checked = _answered(held, node, person.check)
        if checked.status != 200:
            raise held.violated(f"lives, and {node.name} answers {checked}")
    if held.spent == spent and held.may_repeat:
        again = _answered(held, second, lambda held, node: person.refresh(held, node, spent=spent))
        if again.status == 200:
            return
        if not held.is_forgotten:
            raise held.violated(f"a spent handle leads nowhere: {second.name} answers {again}")
        person.lose(held)


def _require_ended(person: Person, held: Held) -> None:
    """Neither its handle nor its token passes anywhere."""
    for node in person.nodes:
        answer = _answered(held, node, person.refresh)
        if answer.code != "session_revoked":
            raise held.violated(f"has ended, and a refresh at {node.name} answers {answer}")
        allowed = (
            {"session_revoked"} if held.is_fresh else {"session_revoked", "credential_expired"}
        )
        until = time.monotonic() + HEARD_WITHIN
        answer = _answered(held, node, person.check)
        while answer.code not in allowed and time.monotonic() < until:
            person.heard["ended, and a node had not read of it yet"] += 1
            time.sleep(0.05)
            answer = _answered(held, node, person.check)
        if answer.code not in allowed:
            raise held.violated(f"has ended, and a check at {node.name} answers {answer}")


def _compare_lists(person: Person, first: Node, second: Node) -> None:
    """Both nodes list the same sessions: those that live, none that has ended, and no more besides
    than there were sign-ins without an answer. Those are ended."""
    actor = next((held for held in person.sessions if held.is_plain), None)
    if actor is None:
        return
    lists = [
        {each["id"] for each in _answered(actor, node, person.listed).body["sessions"]}
        for node in (first, second)
    ]
    if lists[0] != lists[1]:
        raise actor.violated("the nodes do not list the same sessions")
    live = {held.session_id: held for held in person.sessions}
    for session_id in live.keys() - lists[0]:
        raise live[session_id].violated("lives, and is not listed")
    for session_id in person.ended_ids.keys() & lists[0]:
        raise person.ended_ids[session_id].violated("has ended, and is listed")
    strays = lists[0] - live.keys()
    if len(strays) > person.strays:
        raise actor.violated(f"{len(strays)} sessions more are listed; {person.strays} may be")
    person.strays = 0
    for session_id in strays:
        person.heard["sessions of which their owner never heard"] += 1
        answer = _answered(person.adopt(session_id), first, partial(person.revoke_one, actor))
        if answer.status != 200:
            raise actor.violated(f"a session that is listed cannot be ended: {answer}")


def _answered(held: Held, node: Node, ask: Callable[[Held, Node], Answer]) -> Answer:
    """What a node that is ready answers, in the end."""
    until = time.monotonic() + ANSWERED_WITHIN
    while True:
        try:
            answer = ask(held, node)
        except Away:
            raise held.violated(f"{node.name} was ready, and is gone") from None
        if not answer.is_unknown:
            return answer
        if time.monotonic() > until:
            raise held.violated(f"{node.name} is ready, and does not answer: {answer}")
        time.sleep(0.05)
