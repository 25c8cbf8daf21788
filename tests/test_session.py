"""The session's own rules: what makes it live, what rotating, revoking and indexing change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from counterfoil import handle as handles
from counterfoil.errors import SessionExpired, SessionRevoked
from counterfoil.handle import HandleSecrets
from counterfoil.lifetime import Lifetime
from counterfoil.session import ADDRESS_KEPT, INDICES_KEPT, SPENT_KEPT, Session, StatusIndex, opened

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
TICK: Final = timedelta(microseconds=1)
SECRETS: Final = HandleSecrets({0: b"k" * 32}, 0)
FIRST: Final = handles.first(handles.new_session_id(b"i" * 16), secret=b"s" * 16, secrets=SECRETS)
LIFETIME: Final = Lifetime(idle=timedelta(hours=1), absolute=timedelta(hours=3))


def fresh() -> Session:
    return opened(
        FIRST, subject="ann", client_id="web", lifetime=LIFETIME, device="Firefox", now=NOW
    )


def rotated(session: Session, *, now: datetime) -> Session:
    return session.rotated(handles.walk(FIRST, session.generation + 1, secrets=SECRETS), now=now)


def index(name: str = "list", number: int = 7, claims_version: int = 0) -> StatusIndex:
    return StatusIndex(name, number, claims_version, NOW + timedelta(hours=2))


def test_an_address_is_kept_as_it_was_given_and_nonsense_only_in_part() -> None:
    """The longest address fits; where none is given it is empty."""
    longest = "0000:0000:0000:0000:0000:ffff:255.255.255.255"

    def kept(address: str) -> str:
        return opened(
            FIRST,
            subject="ann",
            client_id="web",
            lifetime=LIFETIME,
            device="",
            address=address,
            now=NOW,
        ).address

    assert fresh().address == ""
    assert kept(longest) == longest
    assert kept("x" * 10_000) == "x" * ADDRESS_KEPT


def test_a_session_expires_at_its_idle_end_but_never_past_the_absolute_one() -> None:
    """Use moves the one end and not the other."""
    session = fresh()
    assert session.expires_at == NOW + timedelta(hours=1)
    used = replace(session, last_seen_at=NOW + timedelta(hours=2, minutes=30))
    assert used.expires_at == used.absolute_end == NOW + timedelta(hours=3)


def test_a_session_is_live_until_the_moment_it_names() -> None:
    """And not in that moment."""
    session = fresh()
    session.require_live(now=session.expires_at - TICK)
    assert session.is_live(now=session.expires_at - TICK)
    assert not session.is_live(now=session.expires_at)
    with pytest.raises(SessionExpired):
        session.require_live(now=session.expires_at)


def test_revoked_comes_before_expired_and_stays() -> None:
    """Until its absolute end and after it, "revoked" never becomes "expired" or "unknown"."""
    session = fresh().revoked(now=NOW, because="stolen")
    for moment in (NOW, session.expires_at, session.absolute_end + timedelta(days=1)):
        assert not session.is_live(now=moment)
        with pytest.raises(SessionRevoked):
            session.require_live(now=moment)


def test_revoking_again_changes_nothing() -> None:
    """The first reason and moment stand."""
    session = fresh().revoked(now=NOW, because="stolen")
    assert session.revoked(now=NOW + SECOND, because="signed_out") is session


def test_rotation_spends_the_old_handle_and_counts_as_use() -> None:
    """The record keeps the new handle's digest and when the old one was spent."""
    later = NOW + SECOND
    after = rotated(fresh(), now=later)
    assert after.generation == 1
    assert after.handle_digest == handles.succeed(FIRST, secrets=SECRETS).digest
    assert after.spent_at == (later,)
    assert after.last_seen_at == later
    assert after.absolute_end == fresh().absolute_end


def test_rotation_remembers_the_latest_generations_only() -> None:
    """A record does not grow with the age of its session."""
    session = fresh()
    for n in range(SPENT_KEPT + 10):
        session = rotated(session, now=NOW + n * SECOND)
    assert len(session.spent_at) == SPENT_KEPT
    assert session.spent_at[-1] == NOW + (SPENT_KEPT + 9) * SECOND


def test_a_clock_set_back_neither_unspends_nor_ages_a_session() -> None:
    """Spending times stay in order, and use that was seen stays seen."""
    session = rotated(fresh(), now=NOW + timedelta(minutes=10))
    session = rotated(session, now=NOW)
    assert session.spent_at == (NOW + timedelta(minutes=10),) * 2
    assert session.last_seen_at == NOW + timedelta(minutes=10)


def test_an_index_is_kept_for_its_list_and_claims_version_only() -> None:
    """A refresh keeps it while both are unchanged."""
    session = fresh().with_index(index(), now=NOW)
    assert session.current_index("list") == index()
    assert session.current_index("other") is None
    assert session.current_index(None) is None
    assert session.with_claims({}, 1).current_index("list") is None


def test_every_index_that_a_living_token_could_name_is_remembered() -> None:
    """A revocation has to reach all of them; the others need not be kept."""
    session = fresh().with_index(index(number=1), now=NOW).with_index(index(number=2), now=NOW)
    assert session.live_indices(now=NOW) == (index(number=1), index(number=2))
    after = index().until
    assert session.live_indices(now=after) == ()
    for number in range(INDICES_KEPT):
        session = session.with_index(index("next", number=number), now=after)
    assert {each.list_id for each in session.indices} == {"list", "next"}
    session = session.with_index(index("last"), now=after)
    assert {each.list_id for each in session.indices} == {"next", "last"}


def test_the_latest_indices_are_remembered_whatever_a_clock_says() -> None:
    """A node whose clock is months ahead takes every list for dropped, and is wrong."""
    session = fresh().with_index(index(number=1), now=NOW)
    ahead = NOW + timedelta(days=90)
    assert session.with_index(index("next"), now=ahead).indices == (
        index(number=1),
        index("next"),
    )


def test_taking_the_same_index_again_changes_nothing() -> None:
    """It is one entry, however often tokens name it."""
    session = fresh().with_index(index(), now=NOW)
    assert session.with_index(index(), now=NOW) is session


def test_access_until_is_the_latest_end_of_any_token() -> None:
    """A shorter token issued later does not shorten what a revocation must promise."""
    session = fresh().with_access(NOW + timedelta(minutes=5)).with_access(NOW)
    assert session.access_until == NOW + timedelta(minutes=5)


def test_use_is_noted_at_most_every_minute_or_tenth_of_a_short_idle_time() -> None:
    """Each check would be a write otherwise; and a session in use must not idle out."""
    session = fresh()
    assert not session.touch_due(now=NOW + timedelta(minutes=1) - TICK)
    assert session.touch_due(now=NOW + timedelta(minutes=1))
    short = replace(session, idle=10 * SECOND)
    assert not short.touch_due(now=NOW + SECOND - TICK)
    assert short.touch_due(now=NOW + SECOND)
    assert not session.touch_due(now=NOW - timedelta(days=1))


def test_the_next_version_of_a_record_follows_the_one_kept() -> None:
    """A commit replaces exactly that one."""
    kept = replace(fresh(), version=6)
    assert fresh().following(kept).version == 7


def test_a_record_shows_no_digest() -> None:
    """Not a credential, yet nothing that a log needs."""
    assert "digest" not in repr(fresh())
    assert repr(FIRST.digest) not in repr(fresh())
