"""Refreshing: one successor, a grace that nothing extends, and a family that ends with a reuse."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil.errors import (
    ConfigurationError,
    Overloaded,
    RefreshReused,
    RefreshUnknown,
    SessionExpired,
    SessionRevoked,
    SubjectSuspended,
)
from counterfoil.session import SPENT_KEPT
from scenes import (
    API,
    CLIENTS,
    EVERY_ID,
    PARTNER,
    PHONE,
    SECOND,
    TICK,
    Roles,
    handle,
    scene,
    texts_of,
    with_lifetime,
)

if TYPE_CHECKING:
    from counterfoil import Client
    from counterfoil.ports import Claims

every_client = pytest.mark.parametrize("client_id", EVERY_ID)
GRACE = timedelta(seconds=10)


@every_client
async def test_a_refresh_spends_the_handle_and_renews_the_session(client_id: str) -> None:
    """A new handle, a fresh credential, a later idle end, the same absolute one."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        s.advance(60)
        renewed = await s.refresh(opened)
        assert handle(renewed).text != handle(opened).text
        assert renewed.session.id == opened.session.id
        assert renewed.session.generation == 1
        assert renewed.session.expires_at == opened.session.expires_at + 60 * SECOND
        assert renewed.session.absolute_end == opened.session.absolute_end
        assert (await s.check(renewed)).auth_time == opened.session.auth_time
        assert await s.kinds() == ["session_opened", "session_refreshed"]


@every_client
async def test_a_lost_reply_retried_within_the_grace_gets_the_same_successor(
    client_id: str,
) -> None:
    """However often, up to its last microsecond; each use is an event and none extends it."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        renewed = await s.refresh(opened)
        for step in (timedelta(0), 5 * SECOND, 5 * SECOND - TICK):
            s.advance(step)
            again = await s.refresh(opened)
            assert handle(again).text == handle(renewed).text
            assert (await s.check(again)).subject == "ann"
        assert (await s.kinds()).count("refresh_repeated") == 3
        s.advance(TICK)
        with pytest.raises(RefreshReused):
            await s.refresh(opened)


@every_client
async def test_s9_after_the_grace_any_use_of_a_spent_handle_ends_the_family(client_id: str) -> None:
    """At exactly ten seconds: the thief's and the owner's, and the trail says why."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        renewed = await s.refresh(opened)
        s.advance(GRACE)
        with pytest.raises(RefreshReused):
            await s.refresh(opened)
        for each in (opened, renewed):
            with pytest.raises(SessionRevoked):
                await s.refresh(each)
        assert (await s.record(opened)).ended_because == "refresh_reused"
        *_, event = await s.trail()
        assert event.kind == "refresh_reused"
        assert event.detail["generation"] == 0
        assert event.detail["current"] == 1


async def test_s9_checking_with_a_spent_handle_ends_the_family_too() -> None:
    """At `session` the handle is what is presented all day."""
    with scene() as s:
        opened = await s.open("ann", "phone")
        renewed = await s.refresh(opened)
        assert (await s.check(opened)).subject == "ann"
        assert (await s.kinds())[-1] == "refresh_repeated"
        s.advance(GRACE)
        with pytest.raises(RefreshReused):
            await s.check(opened)
        with pytest.raises(SessionRevoked):
            await s.check(renewed)


@pytest.mark.parametrize("client_id", ["api", "spa"])
async def test_when_a_family_ends_its_tokens_end_too(client_id: str) -> None:
    """The thief's and the owner's are refused by status."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        renewed = await s.refresh(opened)
        s.advance(GRACE)
        with pytest.raises(RefreshReused):
            await s.refresh(opened)
        for each in (opened, renewed):
            with pytest.raises(SessionRevoked):
                await s.check(each)


async def test_a_spent_handle_walks_to_the_current_one_over_generations() -> None:
    """Parallel tabs may rotate more than once within the grace."""
    with scene() as s:
        family = [await s.open("ann", "api")]
        for _ in range(5):
            s.advance(SECOND)
            family.append(await s.refresh(family[-1]))
        for earlier in family[:-1]:
            assert handle(await s.refresh(earlier)).text == handle(family[-1]).text
        assert (await s.record(family[0])).generation == 5


async def test_the_grace_of_each_generation_is_its_own() -> None:
    """The first handle ends the family while the second would still walk."""
    with scene() as s:
        first = await s.open("ann", "api")
        second = await s.refresh(first)
        s.advance(6 * SECOND)
        third = await s.refresh(second)
        s.advance(6 * SECOND)
        assert handle(await s.refresh(second)).text == handle(third).text
        with pytest.raises(RefreshReused):
            await s.refresh(first)


async def test_walking_across_a_claims_change_brings_the_new_claims() -> None:
    """A retry with a spent handle gets the current handle and today's roles."""
    roles = Roles({"ann": ["admin"]})
    with scene(claims=roles) as s:
        for client_id in EVERY_ID:
            roles.of["ann"] = ["admin"]
            first = await s.open("ann", client_id)
            second = await s.refresh(first)
            roles.of["ann"] = ["reader"]
            await s.auth.claims_changed("ann")
            again = await s.refresh(first)
            assert handle(again).text == handle(second).text
            assert (await s.check(again)).roles == ("reader",)
            assert (await s.record(again)).generation == 1


async def test_a_repeated_refresh_adds_no_record_and_no_index() -> None:
    """49 of 50 parallel ones change nothing but the trail."""
    with scene() as s:
        opened = await s.open("ann", "api")
        await s.refresh(opened)
        before = await s.record(opened)
        for _ in range(5):
            await s.refresh(opened)
        assert await s.record(opened) == before


@pytest.mark.parametrize("client_id", ["api", "partner"])
async def test_a_repeated_refresh_promises_no_more_than_is_recorded(client_id: str) -> None:
    """A revocation's lag is computed from the record, so no token may end later than it says."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        renewed = await s.refresh(opened)
        s.advance(9 * SECOND)
        again = await s.refresh(opened)
        assert again.credential.expires_at <= max(
            opened.credential.expires_at, renewed.credential.expires_at
        )
        done = await s.auth.revoke(opened.session.id)
        assert again.credential.expires_at - s.now <= done.elsewhere_within


async def test_a_repeated_refresh_gives_no_more_than_an_access_lifetime() -> None:
    """Also where an earlier token was good for longer: the client's lifetime was shortened, or
    the clock ran ahead when it was issued."""
    for client in (API, PARTNER):
        with scene(with_lifetime(client, access=timedelta(hours=1))) as s:
            opened = await s.open("ann", client.client_id)
            with scene(client, store=s.store, clock=s.clock) as shorter:
                await shorter.refresh(opened)
                again = await shorter.refresh(opened)
                assert again.credential.expires_at - s.now <= timedelta(minutes=5)


@pytest.mark.parametrize("client", [c for c in CLIENTS if c.signs], ids=["api", "spa", "partner"])
async def test_a_repeated_refresh_outlives_no_session_either(client: Client) -> None:
    """Where idle and access are equal, the retry's token still ends with the session."""
    short = timedelta(seconds=100)
    with scene(with_lifetime(client, access=short, absolute=2 * short, idle=short)) as s:
        opened = await s.open("ann", client.client_id)
        await s.refresh(opened)
        s.advance(9 * SECOND)
        await s.auth.claims_changed("ann")
        again = await s.refresh(opened)
        assert again.credential.expires_at <= (await s.record(opened)).expires_at


@every_client
async def test_s10_a_handle_of_another_client_is_refused(client_id: str) -> None:
    """Where the caller is known to be another; and nothing is spent by trying."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        for other in {*EVERY_ID, "nobody"} - {client_id}:
            with pytest.raises(RefreshUnknown):
                await s.auth.refresh(handle(opened), client_id=other)
        renewed = await s.auth.refresh(handle(opened), client_id=client_id)
        assert renewed.session.generation == 1


async def test_an_unknown_handle_is_refused_as_one() -> None:
    """Well formed, made by nobody here."""
    with scene() as s:
        with pytest.raises(RefreshUnknown):
            await s.auth.refresh("cf_" + "A" * 60)
        assert await s.trail() == []


@every_client
async def test_s14_a_suspended_subject_refreshes_nothing(client_id: str) -> None:
    """Not the current handle and not a spent one; and afterwards both are what they were."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        renewed = await s.refresh(opened)
        await s.auth.suspend("ann")
        for each in (opened, renewed, opened, renewed):
            with pytest.raises(SubjectSuspended):
                await s.refresh(each)
        await s.auth.reinstate("ann")
        assert handle(await s.refresh(opened)).text == handle(renewed).text
        assert (await s.refresh(renewed)).session.generation == 2


async def test_s9_a_thief_does_not_profit_from_a_suspension() -> None:
    """A spent handle used after its grace ends the family, suspended or not."""
    with scene() as s:
        opened = await s.open("ann", "api")
        await s.refresh(opened)
        await s.auth.suspend("ann")
        s.advance(GRACE)
        with pytest.raises(RefreshReused):
            await s.refresh(opened)
        await s.auth.reinstate("ann")
        assert await s.auth.sessions("ann") == []


@every_client
async def test_refreshing_revives_nothing(client_id: str) -> None:
    """Revoked and expired sessions stay so, by any handle."""
    with scene() as s:
        for end in ("revoke", "expire"):
            opened = await s.open("ann", client_id)
            renewed = await s.refresh(opened)
            if end == "revoke":
                await s.auth.revoke(opened.session.id)
            else:
                s.advance(timedelta(days=7))
            for each in (opened, renewed):
                with pytest.raises((SessionRevoked, SessionExpired)):
                    await s.refresh(each)


@every_client
async def test_a_family_has_an_absolute_end(client_id: str) -> None:
    """However often it is refreshed; and its last token ends with it."""
    with scene() as s:
        last = await s.open("ann", client_id)
        end = last.session.absolute_end
        while s.now + timedelta(days=5) < end:
            s.advance(timedelta(days=5))
            last = await s.refresh(last)
            assert last.session.absolute_end == end
        s.advance(end - s.now - SECOND)
        last = await s.refresh(last)
        assert last.credential.expires_at <= end
        s.advance(SECOND)
        with pytest.raises(SessionExpired):
            await s.refresh(last)


async def test_a_hybrid_refresh_keeps_its_index_while_claims_and_window_are_unchanged() -> None:
    """And takes a new one otherwise, the old one keeping its status."""
    with scene(API) as s:
        first = await s.open()
        s.advance(60)
        second = await s.refresh(first)
        assert second.session.indices == first.session.indices
        await s.auth.claims_changed("ann")
        third = await s.refresh(second)
        assert len(third.session.indices) == 2
        s.advance(timedelta(hours=1))
        fourth = await s.refresh(third)
        assert fourth.session.indices[-1].list_id != third.session.indices[-1].list_id
        assert (await s.check(fourth)).subject == "ann"


async def test_a_window_may_change_between_two_starts() -> None:
    """Lists that were announced stay as they are; what is issued is good either way."""
    with scene(API) as s:
        opened = await s.open()
        with scene(API, store=s.store, clock=s.clock, window=timedelta(minutes=1)) as other:
            for _ in range(8):
                other.advance(timedelta(minutes=20))
                s.read_on()
                opened = await other.refresh(opened)
                assert (await s.check(opened)).subject == (await other.check(opened)).subject


async def test_a_failing_claims_source_spends_no_handle() -> None:
    """The refresh can be tried again when the source is back."""
    roles: dict[str, Any] = {"ann": ["admin"]}

    def source(subject: str) -> Claims:
        found: Claims = roles[subject]
        return found

    with scene(claims=source) as s:
        opened = {each: await s.open("ann", each) for each in EVERY_ID}
        for wrong, error in [(None, KeyError), ("root", ConfigurationError)]:
            roles.clear()
            roles |= {"ann": wrong} if wrong else {}
            for each in opened.values():
                with pytest.raises(error):
                    await s.refresh(each)
                assert (await s.record(each)).generation == 0
        roles["ann"] = ["reader"]
        s.advance(GRACE)
        for each in opened.values():
            assert (await s.check(await s.refresh(each))).roles == ("reader",)


async def test_more_rotations_than_can_be_remembered_have_to_wait() -> None:
    """65 within ten seconds: 503 with Retry-After, and nobody is signed out."""
    with scene(PHONE) as s:
        first = last = await s.open("ann", "phone")
        for _ in range(SPENT_KEPT):
            last = await s.refresh(last)
        with pytest.raises(Overloaded) as overloaded:
            await s.refresh(last)
        assert overloaded.value.retry_after == GRACE
        assert handle(await s.refresh(first)).text == handle(last).text
        s.advance(GRACE)
        assert (await s.refresh(last)).session.generation == SPENT_KEPT + 1


async def test_a_clock_that_went_back_signs_nobody_out() -> None:
    """A spent handle still walks, a current one still rotates."""
    with scene() as s:
        opened = await s.open("ann", "phone")
        renewed = await s.refresh(opened)
        s.clock.turn_to(s.now - timedelta(hours=1))
        assert handle(await s.refresh(opened)).text == handle(renewed).text
        assert (await s.refresh(renewed)).session.generation == 2


async def test_without_grace_a_retry_ends_the_family() -> None:
    """RFC 9700 §4.14 to the letter, for who asks for it."""
    with scene(with_lifetime(PHONE, grace=timedelta(0))) as s:
        opened = await s.open("ann", "phone")
        await s.refresh(opened)
        with pytest.raises(RefreshReused):
            await s.refresh(opened)


async def test_all_that_walk_meet_at_one_handle() -> None:
    """Whatever mixture of spent and current handles is presented within the grace."""
    with scene() as s:
        a = await s.open("ann", "api")
        b = await s.refresh(a)
        c = await s.refresh(b)
        answers = [await s.refresh(each) for each in (a, b, a, b)]
        assert texts_of(answers) == {handle(c).text}
