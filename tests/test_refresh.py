"""Where a presented handle stands in its family, moment by moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from counterfoil import handle as handles
from counterfoil.errors import SessionUnknown
from counterfoil.handle import Handle, HandleSecrets
from counterfoil.lifetime import Lifetime
from counterfoil.refresh import Standing, has_room, require_member, standing
from counterfoil.session import SPENT_KEPT, Session, opened

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
TICK: Final = timedelta(microseconds=1)
GRACE: Final = timedelta(seconds=10)
SECRETS: Final = HandleSecrets({0: b"k" * 32}, 0)
FIRST: Final = handles.first(handles.new_session_id(b"i" * 16), secret=b"s" * 16, secrets=SECRETS)


def generation(number: int) -> Handle:
    return handles.walk(FIRST, number, secrets=SECRETS)


def spent_every(span: timedelta, times: int) -> Session:
    """A session whose handle was rotated that often, every `span`, the first time now."""
    session = opened(FIRST, subject="ann", client_id="web", lifetime=Lifetime(), device="", now=NOW)
    for n in range(times):
        session = session.rotated(generation(n + 1), now=NOW + n * span)
    return session


def stands(number: int, session: Session, *, after: timedelta) -> Standing:
    return standing(generation(number), session, grace=GRACE, now=NOW + after)


def test_the_newest_handle_is_current_whenever_it_comes() -> None:
    """Grace is about spent ones."""
    session = spent_every(SECOND, 2)
    for after in (timedelta(0), GRACE, timedelta(days=300)):
        assert stands(2, session, after=after) is Standing.CURRENT


def test_a_spent_handle_is_good_for_less_than_the_grace() -> None:
    """Up to the last microsecond before ten seconds, and not at ten seconds."""
    session = spent_every(SECOND, 1)
    assert stands(0, session, after=timedelta(0)) is Standing.SPENT
    assert stands(0, session, after=GRACE - TICK) is Standing.SPENT
    assert stands(0, session, after=GRACE) is Standing.REUSED


def test_the_grace_of_each_generation_runs_from_its_own_rotation() -> None:
    """Later rotations neither extend nor end it: parallel tabs may rotate twice within it."""
    session = spent_every(4 * SECOND, 3)
    assert [stands(n, session, after=9 * SECOND) for n in range(4)] == [
        *[Standing.SPENT] * 3,
        Standing.CURRENT,
    ]
    assert [stands(n, session, after=15 * SECOND) for n in range(4)] == [
        *[Standing.REUSED] * 2,
        Standing.SPENT,
        Standing.CURRENT,
    ]


def test_without_grace_a_spent_handle_is_reused_at_once() -> None:
    """RFC 9700 §4.14 to the letter, for who asks for it."""
    session = spent_every(SECOND, 1)
    place = standing(FIRST, session, grace=timedelta(0), now=NOW)
    assert place is Standing.REUSED


def test_a_clock_that_went_back_reuses_nothing() -> None:
    """An honest client is not signed out because the server's clock was corrected."""
    session = spent_every(SECOND, 1)
    assert stands(0, session, after=-timedelta(hours=1)) is Standing.SPENT


def test_a_generation_too_old_to_be_remembered_is_reused() -> None:
    """However few seconds ago it was spent: the record keeps the latest ones only."""
    session = spent_every(TICK, SPENT_KEPT + 1)
    assert stands(0, session, after=SECOND) is Standing.REUSED
    assert stands(1, session, after=SECOND) is Standing.SPENT


def test_there_is_no_room_to_forget_a_generation_within_its_grace() -> None:
    """So the 65th rotation within ten seconds has to wait, and nobody honest is signed out."""
    full = spent_every(TICK, SPENT_KEPT)
    room = [
        has_room(session, kept=SPENT_KEPT, grace=GRACE, now=NOW + after)
        for session, after in [
            (spent_every(TICK, SPENT_KEPT - 1), SECOND),
            (full, GRACE - TICK),
            (full, GRACE),
        ]
    ]
    assert room == [True, False, True]


def test_s1_a_handle_from_the_future_is_unknown() -> None:
    """Of a database that was set back, say: it is not a member, and ends nothing."""
    session = spent_every(SECOND, 1)
    with pytest.raises(SessionUnknown):
        require_member(generation(2), session)


def test_s1_another_handle_of_the_current_generation_is_unknown() -> None:
    """Two nodes with different K would make such; the digest decides."""
    session = replace(spent_every(SECOND, 1), handle_digest=b"?" * 32)
    with pytest.raises(SessionUnknown):
        standing(generation(1), session, grace=GRACE, now=NOW)


def test_earlier_and_current_handles_are_members() -> None:
    """Whatever their age: any of them may sign out."""
    session = spent_every(SECOND, 3)
    for number in range(4):
        require_member(generation(number), session)
