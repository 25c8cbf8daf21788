"""The mirror: what it applies, what it refuses to apply, and how old it says it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil.errors import (
    AuthError,
    ClaimsStale,
    SessionRevoked,
    SessionUnknown,
    StatusStale,
    SubjectSuspended,
)
from counterfoil.status_change import FeedRead, Position, StatusChange
from counterfoil.status_list import StatusList
from counterfoil.status_mirror import FeedGap, ListUnknown, StatusMirror

if TYPE_CHECKING:
    from counterfoil.status_change import Status

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
L: Final = timedelta(seconds=10)


def listed(name: str = "a", size: int = 100) -> StatusList:
    hour = timedelta(hours=1)
    return StatusList(
        id=name, size=size, opens_at=NOW, closes_at=NOW + hour, dropped_at=NOW + 2 * hour
    )


def read(
    after: int | None,
    to: int,
    *changes: tuple[int, Status],
    names: str = "a",
    epoch: str = "e",
    at: datetime = NOW,
) -> FeedRead:
    return FeedRead(
        after=None if after is None else Position(epoch, after),
        position=Position(epoch, to),
        at=at,
        lists=tuple(map(listed, names)),
        changes=tuple(StatusChange(names[0], index, status) for index, status in changes),
    )


def mirror_of(*reads: FeedRead, began: float = 100.0) -> StatusMirror:
    mirror = StatusMirror()
    for each in reads:
        mirror.apply(each, began=began, at=NOW)
    return mirror


def refusal(
    mirror: StatusMirror, index: int, *, name: str = "a", uptime: float = 100.0
) -> type[Exception] | None:
    try:
        mirror.require_valid(name, index, uptime=uptime, max_staleness=L)
    except (AuthError, StatusStale) as why:
        return type(why)
    return None


def test_a_new_mirror_knows_nothing_and_says_so() -> None:
    """It cannot know: neither yes nor no."""
    mirror = StatusMirror()
    assert refusal(mirror, 0) is StatusStale
    assert mirror.as_of is None
    assert mirror.age(uptime=5.0) == float("inf")


@pytest.mark.parametrize(
    ("status", "refused"),
    [(0, None), (1, SessionRevoked), (2, SubjectSuspended), (3, ClaimsStale)],
)
def test_each_status_has_its_own_refusal(status: Status, refused: type[Exception] | None) -> None:
    """So that a client knows whether to refresh, to sign in, or to ask somebody."""
    assert refusal(mirror_of(read(None, 1, (7, status))), 7) is refused
    assert refusal(mirror_of(read(None, 1, (7, status))), 8) is None


def test_it_goes_on_for_less_than_max_staleness_and_then_refuses() -> None:
    """Counted on uptime from when the read began; a thousandth is kept back for clocks that run at
    different rates."""
    mirror = mirror_of(read(None, 0))
    assert refusal(mirror, 7, uptime=109.98) is None
    assert refusal(mirror, 7, uptime=109.995) is StatusStale
    assert refusal(mirror, 7, uptime=10_000.0) is StatusStale


def test_staleness_comes_before_what_the_entry_said() -> None:
    """An old "revoked" is no answer either: the position could be of another epoch by now."""
    mirror = mirror_of(read(None, 1, (7, 1)))
    assert refusal(mirror, 7, uptime=110.0) is StatusStale


def test_a_stale_refusal_says_when_to_ask_again() -> None:
    """503 with Retry-After."""
    with pytest.raises(StatusStale) as stale:
        StatusMirror().require_valid("a", 0, uptime=0.0, max_staleness=L)
    assert stale.value.retry_after == L


def test_reads_are_applied_in_order() -> None:
    """The last change of an entry stands."""
    mirror = mirror_of(read(None, 1, (7, 2)), read(1, 3, (7, 0), (8, 1)))
    assert (refusal(mirror, 7), refusal(mirror, 8)) == (None, SessionRevoked)
    assert mirror.position == Position("e", 3)


def test_s21_a_gap_is_refused_and_nothing_of_it_applied() -> None:
    """A read that starts ahead of the mirror, behind it, or in another epoch."""
    for wrong in (read(2, 3, (7, 1)), read(0, 3, (7, 1)), read(1, 3, (7, 1), epoch="f")):
        mirror = mirror_of(read(None, 1))
        with pytest.raises(FeedGap):
            mirror.apply(wrong, began=101.0, at=NOW)
        assert refusal(mirror, 7) is None
        assert mirror.position == Position("e", 1)
        assert mirror.age(uptime=101.0) == 1.0


def test_s21_a_late_answer_lowers_nothing() -> None:
    """Neither its content nor its age counts, once a read that began later is in."""
    mirror = mirror_of(read(None, 0))
    mirror.apply(read(0, 1, (7, 1)), began=105.0, at=NOW + timedelta(seconds=5))
    mirror.apply(read(None, 0), began=104.0, at=NOW + timedelta(seconds=4))
    assert refusal(mirror, 7, uptime=114.0) is SessionRevoked
    assert mirror.as_of == NOW + timedelta(seconds=5)


def test_nothing_new_renews_the_age() -> None:
    """An empty read is knowledge, too."""
    mirror = mirror_of(read(None, 0))
    mirror.apply(read(0, 0), began=109.0, at=NOW)
    assert refusal(mirror, 7, uptime=118.9) is None


def test_a_new_epoch_starts_cold() -> None:
    """Nothing of the former one is left."""
    mirror = mirror_of(read(None, 1, (7, 1)), read(None, 1, (8, 1), epoch="f"))
    assert (refusal(mirror, 7), refusal(mirror, 8)) == (None, SessionRevoked)
    assert mirror.position == Position("f", 1)


def test_a_list_that_is_announced_is_known_at_full_size() -> None:
    """All valid, from the first read that has it in its directory."""
    mirror = mirror_of(read(None, 0), read(0, 0, names="ab"))
    assert refusal(mirror, 99, name="b") is None


def test_s21_a_list_not_in_the_directory_is_refused() -> None:
    """Dropped, or never ours: a token that names it is not accepted."""
    mirror = mirror_of(read(None, 0, names="ab"), read(0, 0, names="b"))
    assert refusal(mirror, 7) is ListUnknown
    assert refusal(mirror, 7, name="b") is None
    assert refusal(mirror, 7, name="never") is ListUnknown
    assert issubclass(ListUnknown, SessionUnknown)


def test_an_entry_outside_its_list_is_refused() -> None:
    """Draft §8.3: reject."""
    mirror = mirror_of(read(None, 0))
    assert refusal(mirror, 100) is SessionUnknown
    assert refusal(mirror, -1) is SessionUnknown


@pytest.mark.parametrize("names", ["ab", "b"])
def test_s21_a_list_that_comes_back_is_not_believed_to_be_new(names: str) -> None:
    """The issuer's clock ran ahead, its lists were dropped, and it was set back: what they said is
    forgotten here, or was never heard, so the mirror wants all of it instead of reviving the
    revoked."""
    ahead = NOW + timedelta(hours=3)
    mirror = mirror_of(read(None, 1, (7, 1), names=names))
    mirror.apply(read(1, 1, names="b", at=ahead), began=100.0, at=NOW)
    with pytest.raises(FeedGap):
        mirror.apply(read(1, 1, names="ab"), began=101.0, at=NOW)
    assert refusal(mirror, 7) is ListUnknown
    mirror.apply(read(None, 1, (7, 1), names="ab"), began=101.0, at=NOW)
    assert refusal(mirror, 7) is SessionRevoked
    mirror.apply(read(1, 1, names="ab"), began=102.0, at=NOW)


def test_a_list_announced_as_it_opens_is_new_also_when_it_is_heard_of_late() -> None:
    """Sign-ins take a moment between the clock and the database."""
    mirror = mirror_of(read(None, 0))
    mirror.apply(read(0, 0, at=NOW + timedelta(seconds=29)), began=100.0, at=NOW)
    mirror.apply(read(0, 0, names="ab", at=NOW + timedelta(seconds=30)), began=101.0, at=NOW)
    assert refusal(mirror, 7, name="b") is None
