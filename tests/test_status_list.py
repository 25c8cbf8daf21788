"""Status lists: bits as the draft packs them, and indices that are never given out twice."""

from __future__ import annotations

import zlib
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Thread
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.errors import Malformed
from counterfoil.status_list import (
    DEFAULT_SIZE,
    Block,
    Issuing,
    Schedule,
    StatusBits,
    StatusList,
    schedule,
)
from published import read

if TYPE_CHECKING:
    from collections.abc import Callable

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
TICK: Final = timedelta(microseconds=1)
ISSUING: Final = Issuing(size=1000, access=timedelta(minutes=5))


def unpacked(lst: str, *, size: int) -> StatusBits:
    data = urlsafe_b64decode(lst + "=" * (-len(lst) % 4))
    return StatusBits.unpacked(data, size=size)


def numbered() -> Callable[[], str]:
    numbers = count()
    return lambda: f"list-{next(numbers)}"


def planned(*known: tuple[StatusList, int], now: datetime = NOW) -> Schedule:
    return schedule(known, ISSUING, now=now, new_id=numbered())


def test_the_drafts_list_of_a_million_entries_reads_as_published() -> None:
    """draft-ietf-oauth-status-list, 2 bits: every entry, and the decoded bytes."""
    vector = read("status-list/tsl_vectors.json")["2"]
    found = unpacked(vector["lst"], size=vector["entries"])
    expected = {int(index): status for index, status in vector["nonzero"].items()}
    assert {n: found[n] for n in range(vector["entries"]) if found[n]} == expected
    written = StatusBits(vector["entries"])
    for index, status in expected.items():
        written[index] = status
    assert bytes(written.data) == bytes(found.data)
    assert bytes(unpacked(vector["lst"], size=vector["entries"]).data) == zlib.decompress(
        written.packed()
    )


def test_the_drafts_twelve_entries_are_packed_as_published() -> None:
    """Two bits, least significant first: 1 2 0 3 0 1 0 1 1 2 3 3 is c9 44 f9."""
    statuses = (1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3)
    bits = StatusBits(len(statuses))
    for index, status in enumerate(statuses):
        bits[index] = status
    assert bytes(bits.data) == bytes.fromhex("c944f9")
    published = unpacked("eNo76fITAAPfAgc", size=len(statuses))
    assert tuple(published[n] for n in range(len(statuses))) == statuses


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=70))
def test_what_is_packed_unpacks_again(statuses: list[int]) -> None:
    """Whatever the statuses and however many, also where the last byte is not full."""
    bits = StatusBits(len(statuses))
    for index, status in enumerate(statuses):
        bits[index] = 3
        bits[index] = status
    again = StatusBits.unpacked(bits.packed(), size=len(statuses))
    assert [again[n] for n in range(len(statuses))] == statuses


@pytest.mark.parametrize("index", [-1, 10, 11, 12, 2**40])
def test_an_index_outside_the_list_is_refused(index: int) -> None:
    """Neither the padding of the last byte nor Python's counting from the end is an entry."""
    bits = StatusBits(10)
    with pytest.raises(IndexError):
        bits[index]
    with pytest.raises(IndexError):
        bits[index] = 1


def test_a_list_of_another_size_is_malformed() -> None:
    """Shorter, longer, cut off, followed by something, or not ZLIB at all."""
    packed = StatusBits(1000).packed()
    for wrong, size in [
        (packed, 1004),
        (packed, 996),
        (packed[:-1], 1000),
        (packed + b"x", 1000),
        (b"", 1000),
        (b"not zlib", 1000),
        (zlib.compress(b""), 1000),
    ]:
        with pytest.raises(Malformed):
            StatusBits.unpacked(wrong, size=size)


def test_a_decompression_bomb_is_not_unpacked() -> None:
    """A megabyte that claims to be a gigabyte costs the announced size and no more."""
    bomb = zlib.compressobj(9)
    packed = b"".join(bomb.compress(bytes(2**20)) for _ in range(64)) + bomb.flush()
    with pytest.raises(Malformed):
        StatusBits.unpacked(packed, size=4000)


def test_the_first_list_opens_at_once_and_the_next_is_announced_with_it() -> None:
    """Each at full size."""
    plan = planned()
    assert plan.announced[0] == plan.chosen
    assert [each.opens_at for each in plan.announced] == [NOW, NOW + HOUR]
    assert {each.size for each in plan.announced} == {ISSUING.size}


def test_a_list_is_dropped_when_every_token_that_names_it_has_expired() -> None:
    """Window plus access lifetime."""
    first = planned().chosen
    assert first.closes_at == NOW + HOUR
    assert first.dropped_at == NOW + HOUR + ISSUING.access
    assert not first.is_dropped(now=first.dropped_at - TICK)
    assert first.is_dropped(now=first.dropped_at)


def test_within_a_window_nothing_more_is_announced() -> None:
    """While the list is less than half used."""
    first, following = planned().announced
    plan = planned((first, 499), (following, 0), now=NOW + HOUR - TICK)
    assert plan == Schedule(first, ())


def test_the_next_window_uses_the_list_that_was_announced_for_it() -> None:
    """And announces the one after: a whole window before its first index is given out."""
    first, following = planned().announced
    plan = planned((first, 10), (following, 0), now=NOW + HOUR)
    assert plan.chosen == following
    assert [each.opens_at for each in plan.announced] == [NOW + 2 * HOUR]


def test_a_list_half_used_gets_a_second_one_before_it_is_full() -> None:
    """So an overflow meets no verifier that does not know the list."""
    first, following = planned().announced
    plan = planned((first, 500), (following, 0))
    (second,) = plan.announced
    assert plan.chosen == first
    assert second.opens_at == NOW
    full = planned((first, 1000), (following, 0), (second, 0))
    assert full == Schedule(second, ())


def test_after_a_pause_a_new_list_opens_at_once() -> None:
    """Nobody signed in for a day: none was announced, and yet somebody may sign in now."""
    first, following = planned().announced
    plan = planned((first, 10), (following, 0), now=NOW + timedelta(days=1))
    assert plan.chosen in plan.announced
    assert plan.chosen.is_issuing(now=NOW + timedelta(days=1))


def test_a_clock_that_went_back_reopens_no_list() -> None:
    """Lists of the future stay closed; a list for now is announced."""
    first, following = planned().announced
    plan = planned((first, 10), (following, 0), now=NOW - HOUR)
    assert plan.chosen not in (first, following)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 64)), max_size=40))
def test_what_is_chosen_is_issuing_and_has_room(steps: list[tuple[int, int]]) -> None:
    """However time goes and however fast indices are taken."""
    given_out: dict[StatusList, int] = {}
    now, new_id = NOW, numbered()
    issuing = Issuing(size=100)
    for seconds, taken in steps:
        now += timedelta(seconds=seconds)
        plan = schedule(given_out.items(), issuing, now=now, new_id=new_id)
        given_out |= dict.fromkeys(plan.announced, 0)
        assert plan.chosen.is_issuing(now=now)
        assert given_out[plan.chosen] < plan.chosen.size
        assert any(each.opens_at >= plan.chosen.closes_at for each in given_out)
        given_out[plan.chosen] = min(given_out[plan.chosen] + taken, plan.chosen.size)


def test_a_block_gives_each_index_once() -> None:
    """In order, and then no more."""
    block = Block(planned().chosen, 10, 13)
    assert [block.take() for _ in range(5)] == [10, 11, 12, None, None]


def test_two_threads_never_get_the_same_index() -> None:
    """A process has one block for all of its threads."""
    block = Block(planned().chosen, 0, DEFAULT_SIZE // 32)
    taken: list[list[int]] = [[] for _ in range(4)]

    def take(mine: list[int]) -> None:
        while (index := block.take()) is not None:
            mine.append(index)

    threads = [Thread(target=take, args=(mine,)) for mine in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = sorted(index for mine in taken for index in mine)
    assert everything == list(range(DEFAULT_SIZE // 32))
