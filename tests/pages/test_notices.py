"""What was done is told once, in our words, with the bound that holds."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from counterfoil.server.pages import notices
from counterfoil.server.pages.notices import Done, Notice

SECOND = timedelta(seconds=1)


def brought(value: bytes) -> Notice | None:
    return notices.read([(b"cookie", b"a=b; " + notices.NAME.encode() + b"=" + value)])


@pytest.mark.parametrize("done", get_args(Done))
def test_a_notice_comes_back_as_it_went(done: Done) -> None:
    """Through the cookie's few words and numbers."""
    notice = Notice(done, 3, 10 * SECOND, 285 * SECOND)
    _, line = notices.set_cookie(notice)
    assert line.endswith(b"; Max-Age=60; Path=/; Secure; HttpOnly; SameSite=Lax")
    assert brought(line.partition(b";")[0].partition(b"=")[2]) == notice


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"device",
        b"device.1.0",
        b"device.1.0.0.0",
        b"evil.1.0.0",
        b"device.-1.0.0",
        b"device.99999.0.0",
        b"device.1.0.0; " + notices.NAME.encode() + b"=device.1.0.0",
        b" device.1.0.0",
        b'"device.1.0.0"',
        b"<b>.1.0.0",
        "device.\u0661.0.0".encode(),
    ],
)
def test_what_we_did_not_write_is_not_told(value: bytes) -> None:
    """Another word, other numbers, or two cookies of the name."""
    assert brought(value) is None


def test_nothing_is_called_done_that_did_nothing() -> None:
    """A count of none says that there was nothing to do."""
    assert Notice("device").text == "That device had been signed out already."
    assert Notice("others").text == "No other device was signed in."
    assert Notice("sign-out").text == "You had been signed out already."
    assert Notice("password").text == "Your password was changed."


def test_the_bound_is_told_where_there_is_one() -> None:
    """Nothing for sessions, which end at once; both bounds where they differ."""
    assert Notice("device", 1).text == "1 device was signed out."
    assert Notice("others", 2, 10 * SECOND, 285 * SECOND).text == (
        "2 other devices were signed out. Other services may still accept tokens from before: for"
        " up to 10 seconds if they check with Counterfoil, for up to 5 minutes if they do not."
    )
    assert Notice("sign-out", 1, 285 * SECOND, 285 * SECOND).text == (
        "You are signed out. Other services may still accept tokens from before for up to 5"
        " minutes."
    )
