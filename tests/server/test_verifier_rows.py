"""What the processes of one server write of the verifiers that each of them sees."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil.drive import drive
from counterfoil.server.tables import verifiers
from counterfoil.server.tables.verifiers import NamedVerifier, VerifierRows
from counterfoil.status_change import Position

if TYPE_CHECKING:
    from counterfoil.server.tables.verifiers import Followers

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
SILENCE = timedelta(seconds=10)


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


ONE = NamedVerifier(
    client_id="billing",
    process="one",
    position=Position("e", 7),
    seen_at=AT,
    connected_since=after(-60),
    waits=True,
)
TWO = replace(ONE, process="two", position=None, waits=False)


@pytest.fixture
def rows(tables: Any) -> VerifierRows:
    return VerifierRows(tables.rows, tables)


def save(
    rows: VerifierRows,
    *seen: NamedVerifier,
    node: str = "a",
    anonymous: int = 0,
    now: datetime = AT,
) -> bool:
    return drive(rows.save(seen, node=node, anonymous=anonymous, now=now, silence=SILENCE))


def found(rows: VerifierRows, *, now: datetime = AT) -> Followers:
    return drive(rows.followers(now=now, silence=SILENCE))


def test_what_one_process_saw_every_process_can_read(rows: VerifierRows) -> None:
    """By name and process, and how far the feed goes, from one read."""
    save(rows, TWO, ONE)
    told = found(rows)
    assert told.named == (ONE, TWO)
    assert (told.anonymous, told.position.number) == (0, 0)


def test_the_last_poll_counts_whoever_saw_it(rows: VerifierRows) -> None:
    """Who is late with an older one changes nothing; the same moment may be corrected."""
    save(rows, ONE)
    moved = replace(ONE, position=Position("e", 8), seen_at=after(2), connected_since=after(2))
    save(rows, moved, node="b", now=after(2))
    save(rows, ONE, now=after(2))
    [told] = found(rows, now=after(2)).named
    assert (told.position, told.seen_at) == (Position("e", 8), after(2))
    save(rows, replace(moved, waits=False), node="b", now=after(3))
    assert [each.waits for each in found(rows, now=after(3)).named] == [False]


def test_it_stays_connected_when_it_comes_to_another_process(rows: VerifierRows) -> None:
    """Since its first poll at any of them; a gap begins anew."""
    save(rows, ONE)
    save(rows, replace(ONE, seen_at=after(3), connected_since=after(3)), node="b", now=after(3))
    assert [each.connected_since for each in found(rows, now=after(3)).named] == [after(-60)]
    late = replace(ONE, seen_at=after(12.9), connected_since=after(13.5))
    save(rows, replace(late, seen_at=after(13.5)), node="b", now=after(13.5))
    assert [each.connected_since for each in found(rows, now=after(13.5)).named] == [after(13.5)]


def test_who_was_not_heard_of_for_long_has_vanished(rows: VerifierRows) -> None:
    """It is not shown, and its row goes with the next that is written."""
    save(rows, ONE, TWO)
    assert found(rows, now=after(10)).named == (ONE, TWO)
    assert found(rows, now=after(10.1)).named == ()
    here = replace(ONE, process="three", seen_at=after(11))
    save(rows, here, now=after(11))
    assert drive(rows.rows.all("SELECT process FROM verifiers")) == [("three",)]


def test_a_clock_that_was_set_back_hides_nobody(rows: VerifierRows) -> None:
    """What was written with a moment to come gives way to what is seen now."""
    save(rows, ONE, anonymous=2)
    back = after(-3600)
    assert found(rows, now=back).named == ()
    save(rows, replace(ONE, seen_at=back, connected_since=back), now=back)
    assert [each.seen_at for each in found(rows, now=back).named] == [back]
    assert found(rows, now=back).anonymous == 0


def test_those_without_a_name_are_counted_over_all_processes(rows: VerifierRows) -> None:
    """Each process says how many it has, and one that has gone is soon not counted any more."""
    save(rows, anonymous=3)
    save(rows, node="b", anonymous=4)
    assert found(rows).anonymous == 7
    save(rows, anonymous=0)
    assert found(rows).anonymous == 4
    assert found(rows, now=after(21)).anonymous == 0


def test_there_are_only_so_many(rows: VerifierRows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a secret can make up processes; the longest silent make room."""
    monkeypatch.setattr(verifiers, "MOST", 3)
    crowd = [replace(ONE, process=f"p{number}", seen_at=after(number / 10)) for number in range(6)]
    save(rows, *crowd, now=after(1))
    assert [each.process for each in found(rows, now=after(1)).named] == ["p3", "p4", "p5"]


def test_who_writes_learns_whether_somebody_watches(rows: VerifierRows) -> None:
    """Until they stop, or should have stopped."""
    assert not save(rows, ONE)
    drive(rows.watch("w", until=after(5)))
    drive(rows.watch("v", until=after(2)))
    assert save(rows, ONE)
    drive(rows.unwatch("w", now=after(1)))
    assert save(rows, ONE, now=after(1))
    assert not save(rows, ONE, now=after(3))
    drive(rows.unwatch("w", now=after(3)))
    assert drive(rows.rows.all("SELECT * FROM verifier_watches")) == []
