"""Status is computed from facts, and a commit's changes are what the facts changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Final

import pytest

from counterfoil import handle as handles
from counterfoil.handle import HandleSecrets
from counterfoil.lifetime import Lifetime
from counterfoil.session import Session, StatusIndex, opened
from counterfoil.status_change import (
    CLAIMS_STALE,
    INVALID,
    SUSPENDED,
    VALID,
    Position,
    StatusChange,
    changes_between,
    changes_of_subject,
    following_epoch,
    status_of,
)
from counterfoil.subject import ClientState, SubjectState

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER: Final = NOW + timedelta(hours=1)
ANN: Final = SubjectState(subject="ann")


def session(*indices: StatusIndex, number: int = 0) -> Session:
    first = handles.first(
        handles.new_session_id(bytes([number]) * 16),
        secret=b"s" * 16,
        secrets=HandleSecrets({0: b"k" * 32}, 0),
    )
    fresh = opened(first, subject="ann", client_id="api", lifetime=Lifetime(), device="", now=NOW)
    return replace(fresh, indices=indices)


def index(number: int, *, claims_version: int = 0, until: datetime = LATER) -> StatusIndex:
    return StatusIndex("list", number, claims_version, until)


@pytest.mark.parametrize(("revoked", "suspended", "behind"), [*product([True, False], repeat=3)])
def test_s12_the_strictest_fact_decides(*, revoked: bool, suspended: bool, behind: bool) -> None:
    """Revoked before suspended before stale before valid, in every combination."""
    ended = session().revoked(now=NOW, because="x") if revoked else session()
    state = ANN.with_changed_claims() if behind else ANN
    state = state.suspended(now=NOW) if suspended else state
    expected = VALID
    if revoked:
        expected = INVALID
    elif suspended:
        expected = SUSPENDED
    elif behind:
        expected = CLAIMS_STALE
    assert status_of(ended, state, 0) == expected


def test_reinstating_revives_nothing() -> None:
    """What was revoked is 1 again, what was stale is 3 again, and only the rest is 0."""
    state = ANN.with_changed_claims().suspended(now=NOW).reinstated()
    ended = session().revoked(now=NOW, because="x")
    assert status_of(ended, state, 1) == INVALID
    assert status_of(session(), state, 0) == CLAIMS_STALE
    assert status_of(session(), state, 1) == VALID


def test_a_revocation_changes_every_index_of_the_session() -> None:
    """The current one and those that older tokens name."""
    before = session(index(1, claims_version=-1), index(2))
    changes = changes_between((before, ANN), (before.revoked(now=NOW, because="x"), ANN))
    assert list(changes) == [StatusChange("list", 1, INVALID), StatusChange("list", 2, INVALID)]


def test_no_clock_says_which_indices_are_spared() -> None:
    """One that a wrong clock takes for over can be in every verifier's directory."""
    before = session(index(1, until=NOW - timedelta(days=90)), index(2, until=LATER))
    changes = changes_between((before, ANN), (before.revoked(now=NOW, because="x"), ANN))
    assert [change.index for change in changes] == [1, 2]


def test_a_claims_change_marks_what_was_issued_before_it_only() -> None:
    """The index of the newest claims stays valid."""
    state = ANN.with_changed_claims()
    before = session(index(1, claims_version=0), index(2, claims_version=1))
    after = replace(state, version=2)
    assert list(changes_between((before, ANN), (before, after))) == [
        StatusChange("list", 1, CLAIMS_STALE)
    ]


def test_what_already_says_so_is_not_changed_again() -> None:
    """Suspending the suspended, revoking the revoked: no number of the feed is spent."""
    suspended = ANN.suspended(now=NOW)
    again = suspended.suspended(now=LATER)
    assert again.suspended_at == NOW
    assert changes_of_subject([session(index(1))], suspended, again) == ()


def test_a_suspension_reaches_all_sessions_but_not_the_revoked() -> None:
    """Those already say more."""
    ended = session(index(1), number=1).revoked(now=NOW, because="x")
    live = session(index(2), number=2)
    changes = changes_of_subject([ended, live], ANN, ANN.suspended(now=NOW))
    assert changes == (StatusChange("list", 2, SUSPENDED),)
    back = ANN.suspended(now=NOW)
    assert changes_of_subject([ended, live], back, back.reinstated()) == (
        StatusChange("list", 2, VALID),
    )


def test_sign_ins_under_way_fail_where_access_ends_and_only_there() -> None:
    """The epoch moves for revoke-all and suspension, not for claims or reinstatement; the version
    moves with everything."""
    assert ANN.ended().epoch == ANN.suspended(now=NOW).epoch == ANN.epoch + 1
    assert ANN.moved().epoch == ANN.reinstated().epoch == ANN.with_changed_claims().epoch == 0
    moved = [ANN.moved(), ANN.ended(), ANN.suspended(now=NOW), ANN.reinstated()]
    assert {state.version for state in [*moved, ANN.with_changed_claims()]} == {1}
    assert ClientState(client_id="api").ended() == ClientState(client_id="api", version=1)


def test_a_number_is_behind_within_an_epoch() -> None:
    """And only there: numbers of two epochs say nothing about each other."""
    assert Position("a1", 3).is_behind(Position("a1", 4))
    assert not Position("a1", 4).is_behind(Position("a1", 4))
    assert not Position("a1", 5).is_behind(Position("a1", 4))
    assert not Position("a1-7-x", 0).is_behind(Position("a1", 99))


def test_an_epoch_is_behind_those_that_followed() -> None:
    """In the order of their numbers, not of their letters; the first has none. Of two that follow
    the same at the same time neither may be taken for the other."""
    order = ["a1", "a1-9-ff", "a1-10-00", "a1-1795000000-aa"]
    for place, epoch in enumerate(order):
        for later in order[place + 1 :]:
            assert Position(epoch, 99).is_behind(Position(later, 0))
            assert not Position(later, 0).is_behind(Position(epoch, 99))
    assert Position("a1-9-ff", 0).is_behind(Position("a1-9-ee", 0))
    assert Position("a1-9-ee", 0).is_behind(Position("a1-9-ff", 0))


def test_stores_of_another_name_are_not_compared() -> None:
    """Several may have the same keys; an epoch of any form has a name."""
    for one, other in [("a1", "b2-9-ff"), ("a1-9-ff", "b2-10-ff"), ("", "a"), ("a-b-c", "b")]:
        assert not Position(one, 0).is_behind(Position(other, 9))
        assert not Position(other, 0).is_behind(Position(one, 9))
    assert [Position(epoch, 0).store for epoch in ("a1", "a1-9-ff", "a-b")] == ["a1", "a1", "a"]


@pytest.mark.parametrize("clock", [NOW, LATER, datetime(1970, 1, 2, tzinfo=UTC)])
def test_an_epoch_follows_all_that_are_known(clock: datetime) -> None:
    """By the time, or where a clock was ahead once, by one more."""
    known = [Position("a1", 5), Position("a1-1795435200-ff", 7), Position("a1-99999999999-00", 1)]
    for position, reached in product(known, known):
        epoch = following_epoch(position, reached, now=clock, chance="0a")
        assert position.is_behind(Position(epoch, 0))
        assert reached.is_behind(Position(epoch, 0))
        assert epoch.endswith("-0a")
