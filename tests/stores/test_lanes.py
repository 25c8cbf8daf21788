"""Whether a database across a network answers, as far as its lanes know."""

from __future__ import annotations

import pytest

from counterfoil.errors import StoreUnavailable
from counterfoil.stores.lanes import Answering

AWAY = StoreUnavailable("It is away.")


def test_a_job_that_began_before_one_that_was_answered_says_nothing_of_now() -> None:
    """It waited for an answer that was lost, and is told so; nobody else is refused for it."""
    answering = Answering()
    assert answering.note(None, began=2.0)
    assert not answering.note(AWAY, began=1.0)
    answering.require()


def test_a_job_that_began_later_says_that_it_is_away() -> None:
    """Whatever was answered before."""
    answering = Answering()
    assert answering.note(None, began=1.0)
    assert answering.note(AWAY, began=2.0)
    with pytest.raises(StoreUnavailable):
        answering.require()
    assert answering.note(None, began=3.0)
    answering.require()
