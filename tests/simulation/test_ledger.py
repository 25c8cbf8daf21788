"""What is promised, and what is expected, while operations overlap."""

from __future__ import annotations

import pytest

from simulation.ledger import (
    CLOCKS_DIFFER,
    NEVER,
    Device,
    Ending,
    Ledger,
    Operation,
    Promise,
    Subject,
    Suspension,
    Token,
)

ANN = Subject("ann")


def done(began: float, ended: float) -> Operation:
    operation = Operation(began)
    operation.move(1, now=began)
    operation.acknowledged = ended
    operation.move(-1, now=ended)
    operation.settle(now=ended)
    return operation


def device(subject: Subject = ANN, *, asked_at: float = 1.0) -> Device:
    return Device("d0", "id", subject, "api", asked_at=asked_at, opened_at=asked_at + 0.1)


def test_an_operation_is_over_when_no_attempt_can_take_effect() -> None:
    """Not while a copy of it is under way, and not while somebody may repeat it."""
    operation = Operation(1.0)
    operation.move(1, now=1.0)
    operation.move(1, now=2.0)
    operation.move(-1, now=3.0)
    operation.settle(now=4.0)
    assert operation.over_at == NEVER
    operation.move(-1, now=5.0)
    assert operation.over_at == 5.0


@pytest.mark.parametrize(
    ("reinstated", "holds"),
    [
        ([], True),
        ([done(1, 2)], True),  # before
        ([done(4, 6)], False),  # it overlaps: nobody knows which was first
        ([done(8, 9)], False),
        ([done(21, 22)], True),  # after the check
        ([Operation(1.0)], False),  # it may take effect at any time
    ],
)
def test_a_suspension_holds_unless_it_may_have_been_lifted(
    reinstated: list[Operation], *, holds: bool
) -> None:
    """At a check that ended at 20."""
    subject = Subject("ann", reinstatements=reinstated)
    promise = Promise("suspended", 6, 2)
    subject.suspensions.append(Suspension(done(5, 6), promise))
    assert [*subject.suspended(ended=20)] == ([promise] if holds else [])


@pytest.mark.parametrize(
    ("reinstated", "free"),
    [([], False), ([done(5.5, 8)], False), ([done(8, 9)], True), ([done(8, 19)], False)],
)
def test_a_subject_is_surely_free_once_it_was_reinstated_in_time(
    reinstated: list[Operation], *, free: bool
) -> None:
    """Begun after the suspension was over, acknowledged before any knowledge that is relied on."""
    subject = Subject("ann", reinstatements=reinstated)
    subject.suspensions.append(Suspension(done(5, 6)))
    assert subject.was_surely_free(since=18, until=20) is free
    assert subject.was_surely_free(since=1, until=4)


def test_a_device_is_surely_live_while_nothing_that_concerns_it_may_take_effect() -> None:
    """What was over before it signed in ended something else."""
    ledger = Ledger(1, bounds={"api": 10.0}, now=lambda: 0.0)
    found = device(asked_at=5)
    ledger.endings.append(Ending(done(1, 2), lambda each: each is found))
    ledger.endings.append(Ending(done(6, 7), lambda _: False))
    assert ledger.is_surely_live(found, until=20)
    ledger.endings.append(Ending(done(10, 11), lambda each: each is found))
    assert ledger.is_surely_live(found, until=9)
    assert not ledger.is_surely_live(found, until=10)


def test_claims_are_stale_unless_all_changes_were_over_before() -> None:
    """A change that was being marked while the token was issued may have marked it too."""
    subject = Subject("ann", changes=[done(1, 2)])
    token = Token("d0.0", "", device(subject), claims=1, asked_at=3.0, expires_at=99.0)
    assert token.is_surely_fresh()
    subject.changes.append(done(2.5, 3.5))
    assert not token.is_surely_fresh()


def test_the_rest_of_a_tokens_life_is_as_good_as_the_clocks() -> None:
    """Where one is wrong, max_staleness is what holds."""
    promise = Promise("revoked", 100, 3)
    assert promise.binding_from(longest=10, clocks_are_right=True) == 103 + CLOCKS_DIFFER
    assert promise.binding_from(longest=10, clocks_are_right=False) == 110
    wrong = promise._replace(rests_on_clocks=False)
    assert wrong.binding_from(longest=10, clocks_are_right=True) == 110
    assert promise.binding_from(longest=3, clocks_are_right=False) == 103
