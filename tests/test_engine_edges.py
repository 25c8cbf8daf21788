from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from counterfoil import Counterfoil, JwtStrategy, Lifetime, MemoryStore, Presented, SessionStrategy
from counterfoil.errors import (
    ConfigurationError,
    CredentialMalformed,
    SessionExpired,
    StoreUnavailable,
)
from counterfoil.testing.clock import FrozenClock

ISSUER = "https://app.example"


async def test_a_text_that_the_application_took_out_itself_is_checked_whatever_the_carrier() -> (
    None
):
    """A plain string names no carrier; a `Presented` says how it came, and is held to it."""
    auth = Counterfoil(issuer=ISSUER, store=MemoryStore(), strategy=SessionStrategy())
    opened = await auth.open("user-17")
    assert (await auth.check(opened.credential.token)).subject == "user-17"
    with pytest.raises(CredentialMalformed):
        await auth.check(Presented(opened.credential.token, "bearer"))


def test_a_grace_that_outruns_what_a_record_remembers_is_refused() -> None:
    """A client that refreshes at every access lifetime would be sent away in the end."""
    with pytest.raises(ConfigurationError, match="Set grace to at most 60 times access"):
        Lifetime(access=timedelta(seconds=1), grace=timedelta(minutes=5))


async def test_no_token_is_issued_that_would_be_dead_on_arrival() -> None:
    """In the last second of a session there is nothing left to issue."""
    clock = FrozenClock()
    lifetime = Lifetime(
        idle=timedelta(seconds=60), absolute=timedelta(seconds=60), access=timedelta(seconds=30)
    )
    strategy = JwtStrategy(audience="app", lifetime=lifetime)
    auth = Counterfoil(issuer=ISSUER, store=MemoryStore(), strategy=strategy, clock=clock)
    opened = await auth.open("user-17")
    clock.turn_to(opened.session.absolute_end.replace(microsecond=0))
    with pytest.raises(SessionExpired):
        await auth.refresh(opened.credential.refresh_handle or "")


@dataclass(slots=True)
class FullDisk(MemoryStore):
    """Reads, but cannot note that a session was used."""

    async def touch(self, session_id: str, at: datetime) -> None:
        del session_id, at
        raise StoreUnavailable


async def test_a_check_needs_no_disk_space() -> None:
    """The record was read, so the answer is known, although its use cannot be noted."""
    clock = FrozenClock()
    auth = Counterfoil(issuer=ISSUER, store=FullDisk(), strategy=SessionStrategy(), clock=clock)
    opened = await auth.open("user-17")
    clock.advance(timedelta(hours=1))
    assert (await auth.check(opened.credential.token)).subject == "user-17"
