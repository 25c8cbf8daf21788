from __future__ import annotations

import asyncio

import pytest

from counterfoil.errors import Overloaded
from counterfoil.server.turns import MOST_WAITING, Turns


async def test_one_at_a_time_under_each_key_in_the_order_they_came() -> None:
    """Who holds the turn has it alone; other keys do not wait."""
    turns, order, held = Turns(), list[int](), asyncio.Event()

    async def one(number: int) -> None:
        async with turns.turn("ann"):
            order.append(number)
            await held.wait()
            order.append(number)

    tasks = [asyncio.create_task(one(number)) for number in range(3)]
    await asyncio.sleep(0)
    async with turns.turn("bob"):
        assert order == [0]
    held.set()
    await asyncio.gather(*tasks)
    assert order == [0, 0, 1, 1, 2, 2]


async def test_too_many_who_wait_are_refused_and_nobody_else() -> None:
    """Past the limit `Overloaded`; once they are through there is room again."""
    turns, held = Turns(), asyncio.Event()

    async def one() -> None:
        async with turns.turn("ann"):
            await held.wait()

    tasks = [asyncio.create_task(one()) for _ in range(MOST_WAITING + 1)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        async with turns.turn("ann"):
            pass
    held.set()
    await asyncio.gather(*tasks)
    async with turns.turn("ann"):
        pass


async def test_who_gives_up_or_fails_leaves_no_place_behind() -> None:
    """Cancelled while waiting, or failed while holding: the next has its turn."""
    turns, held = Turns(), asyncio.Event()

    async def one() -> None:
        async with turns.turn("ann"):
            await held.wait()
            raise ValueError

    holding, waiting = asyncio.create_task(one()), asyncio.create_task(one())
    await asyncio.sleep(0)
    waiting.cancel()
    held.set()
    results = await asyncio.gather(holding, waiting, return_exceptions=True)
    assert [type(each) for each in results] == [ValueError, asyncio.CancelledError]
    async with asyncio.timeout(1), turns.turn("ann"):
        assert turns._places.keys() == {"ann"}  # noqa: SLF001 - that nothing is kept shows nowhere else
    assert not turns._places  # noqa: SLF001 - as above
