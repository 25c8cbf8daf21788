"""Ctrl-C while something is made that may not be half made."""

from __future__ import annotations

import signal

import pytest

from counterfoil.cli.demo.interruptions import heard_later


def test_what_comes_meanwhile_is_heard_afterwards() -> None:
    """By whoever heard it before, and once."""
    done: list[str] = []

    def make() -> None:
        with heard_later():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append("made")
        done.append("went on")

    with pytest.raises(KeyboardInterrupt):
        make()
    assert done == ["made"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_nothing_comes_nothing_is_heard() -> None:
    """And whoever heard it before hears it again."""
    before = signal.getsignal(signal.SIGTERM)
    with heard_later():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
