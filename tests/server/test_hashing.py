from __future__ import annotations

import asyncio
import logging
import os
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import lowlevel
from argon2 import low_level
from argon2.exceptions import HashingError, VerificationError

from counterfoil.errors import ConfigurationError, Overloaded, PasswordRefused, SignInRefused
from counterfoil.server.passwords.hashing import (
    CHEAPEST,
    RECOMMENDED,
    HashProfile,
    PasswordHasher,
    PasswordMatches,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "correct horse battery staple"
MATCHES = PasswordMatches(rehash=False)
MATCHES_BUT_COST_TOO_LITTLE = PasswordMatches(rehash=True)
ROUGHLY_3_MS = HashProfile(memory_kib=2048, rounds=2)
ROUGHLY_30_MS = HashProfile(memory_kib=8192, rounds=6)
UNREADABLE = [
    "",
    "plain text",
    "$2b$12$abcdefghijklmnopqrstuuE5r5KQ2yAVhYsFkC4uGYbD2nB1zJp9G",
    "$argon2i$v=19$m=8,t=1,p=1$MDAwMDAwMDAwMDAwMDAwMA$Pe3qrpM/iHBd+L77GeVUA1B9dizz48x8sLD8h5TTq+M",
    "$argon2id$v=19$m=8,t=0,p=1$MDAwMDAwMDAwMDAwMDAwMA$Pe3qrpM/iHBd+L77GeVUA1B9dizz48x8sLD8h5TTq+M",
    "$argon2id$v=19$m=8,t=1,p=9$MDAwMDAwMDAwMDAwMDAwMA$Pe3qrpM/iHBd+L77GeVUA1B9dizz48x8sLD8h5TTq+M",
    "$argon2id$v=19$m=8,t=1,p=1$MDAwMDAwMDAwMDAwMDAwMB$Pe3qrpM/iHBd+L77GeVUA1B9dizz48x8sLD8h5TTq+M",
    "$argon2id$v=19$m=8,t=1,p=1$MDAwMDAwMDAwMDAwMDAwMAAAA$Pe3qrpM/iHBd+L77GeVUA1B9dizz48x8s",
    "$argon2id$v=19$m=8,t=1,p=1$MDAwMDAwMDAwMDAwMDAwMA$Pe3qrpM/iHBd",
    "$argon2id$v=19$m=8,t=1,p=1$MDAwMDAwMDAwMDAwMDAwMA$Pe3qrpM/iHBd+L77GeVUA1B9dizz48x8sLD8h5TTq+M\n",
]


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    made = PasswordHasher(CHEAPEST, threads=2)
    yield made
    made.close()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """No hash is finished before this is set."""
    opened = threading.Event()
    hash_secret = low_level.hash_secret

    def held(*arguments: Any, **costs: Any) -> bytes:
        opened.wait(timeout=10)
        return hash_secret(*arguments, **costs)

    monkeypatch.setattr(low_level, "hash_secret", held)
    return opened


@pytest.fixture(params=[1, 4], ids=["alone", "one of four"])
def busy(gate: threading.Event, request: pytest.FixtureRequest) -> Iterator[PasswordHasher]:
    """One thread, and room for two more to wait; alone, or as its share of what four have."""
    share = request.param
    made = PasswordHasher(CHEAPEST, threads=share, waiting_limit=2 * share, share=share)
    yield made
    gate.set()
    made.close()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each verification was given, in order; the library's own function runs."""
    seen: list[int] = []
    verify_secret = low_level.verify_secret

    def watched(encoded: bytes, text: bytes, kind: Any) -> bool:
        seen.append(len(text))
        return verify_secret(encoded, text, kind)

    monkeypatch.setattr(low_level, "verify_secret", watched)
    return seen


def seconds_to_refuse(hasher: PasswordHasher, encoded: str | None) -> float:
    started = time.thread_time()  # what else the machine does is no part of it
    with pytest.raises(SignInRefused):
        hasher.verify_now(encoded, "not the password")
    return time.thread_time() - started


def medians(hasher: PasswordHasher, *encoded: str | None) -> list[float]:
    """The usual time to refuse each, measured in turn so that a slow moment hits all."""
    rounds = [[seconds_to_refuse(hasher, each) for each in encoded] for _ in range(15)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


async def test_the_right_password_matches(hasher: PasswordHasher) -> None:
    """What was hashed is verified, and needs no new hash."""
    assert await hasher.verify(await hasher.hash(PASSWORD), PASSWORD) == MATCHES


async def test_a_wrong_password_is_refused(hasher: PasswordHasher) -> None:
    """Another case, a missing end or a trailing space is another password (ASVS 6.2.8)."""
    encoded = await hasher.hash(PASSWORD)
    for wrong in (PASSWORD.upper(), PASSWORD[:-1], PASSWORD + " ", ""):
        with pytest.raises(SignInRefused):
            await hasher.verify(encoded, wrong)


async def test_one_password_has_many_hashes(hasher: PasswordHasher) -> None:
    """Every hash has its own salt."""
    assert await hasher.hash(PASSWORD) != await hasher.hash(PASSWORD)


async def test_the_same_text_typed_otherwise_is_the_same_password(hasher: PasswordHasher) -> None:
    """Keyboards compose letters differently: NFKC makes them one."""
    encoded = await hasher.hash("Käse auf dem \ufb01lm Dach")
    assert await hasher.verify(encoded, "Ka\u0308se auf dem film\u00a0Dach")


async def test_a_password_is_verified_whole(hasher: PasswordHasher) -> None:
    """Nothing is cut off: the last of 256 characters of four bytes counts, and NUL ends none."""
    encoded = await hasher.hash("🐎" * 255 + "🔋")
    with pytest.raises(SignInRefused):
        await hasher.verify(encoded, "🐎" * 256)
    with pytest.raises(SignInRefused):
        await hasher.verify(await hasher.hash("before\0after"), "before\0other")


async def test_a_hash_says_what_it_cost(hasher: PasswordHasher) -> None:
    """Stored hashes are in the usual format, which other programs read too."""
    assert (await hasher.hash(PASSWORD)).startswith("$argon2id$v=19$m=8,t=1,p=1$")
    strong = PasswordHasher()
    assert strong.hash_now(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert strong.profile == RECOMMENDED
    strong.close()


async def test_a_hash_that_cost_less_asks_for_a_new_one(hasher: PasswordHasher) -> None:
    """When parameters rise, the old hash still opens and says that it should be replaced."""
    risen = PasswordHasher(HashProfile(memory_kib=16, rounds=1), threads=1)
    assert await risen.verify(await hasher.hash(PASSWORD), PASSWORD) == MATCHES_BUT_COST_TOO_LITTLE
    assert await risen.verify(await risen.hash(PASSWORD), PASSWORD) == MATCHES
    assert await hasher.verify(await risen.hash(PASSWORD), PASSWORD) == MATCHES
    risen.close()


async def test_an_unknown_account_is_hashed_for_like_a_known_one(
    hasher: PasswordHasher, hashed: list[int]
) -> None:
    """One verification each, of the same text: known, unknown, and with an unreadable hash."""
    for encoded in (await hasher.hash(PASSWORD), None, "unreadable"):
        with pytest.raises(SignInRefused):
            await hasher.verify(encoded, "not the password")
    assert hashed == [len("not the password")] * 3


def test_time_does_not_tell_whether_an_account_exists() -> None:
    """Refusing takes as long for an unknown account, and for one with an older, cheaper hash."""
    hasher = PasswordHasher(ROUGHLY_3_MS, threads=1)
    older = PasswordHasher(HashProfile(memory_kib=512, rounds=1), threads=1)
    known, unknown, old = medians(hasher, hasher.hash_now(PASSWORD), None, older.hash_now(PASSWORD))
    assert 0.5 < unknown / known < 2
    assert 0.5 < old / known < 2


@pytest.mark.parametrize("encoded", UNREADABLE)
async def test_an_unreadable_hash_refuses_and_is_logged(
    hasher: PasswordHasher, hashed: list[int], caplog: pytest.LogCaptureFixture, encoded: str
) -> None:
    """Damage in the table is no server error and no sign-in; the log names it, not the value."""
    with caplog.at_level(logging.ERROR), pytest.raises(SignInRefused):
        await hasher.verify(encoded, PASSWORD)
    assert caplog.messages == ["password_hash_unreadable"]
    assert len(hashed) == 1


async def test_a_hash_that_needs_more_memory_than_there_is_cannot_be_known(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without memory the answer is 503, never that the password is wrong."""
    encoded = await hasher.hash(PASSWORD)
    monkeypatch.setattr(low_level, "verify_secret", _fail(VerificationError))
    monkeypatch.setattr(low_level, "hash_secret", _fail(HashingError))
    with pytest.raises(Overloaded):
        await hasher.verify(encoded, PASSWORD)
    with pytest.raises(Overloaded):
        await hasher.hash(PASSWORD)


def _fail(error: type[Exception]) -> Any:
    def failing(*_: Any, **__: Any) -> None:
        raise error("Memory allocation error")

    return failing


@pytest.mark.parametrize("password", ["x" * 257, "x" * 5_000_000, "\ufdfa" * 15, "half \ud83d"])
async def test_what_cannot_be_a_password_is_refused_before_any_work(
    hasher: PasswordHasher, hashed: list[int], password: str
) -> None:
    """Too long, also once normalised, or not text: neither account nor hash is looked at."""
    encoded = await hasher.hash(PASSWORD)
    for stored in (encoded, None):
        with pytest.raises(SignInRefused):
            await hasher.verify(stored, password)
    with pytest.raises(PasswordRefused):
        await hasher.hash(password)
    assert hashed == []


async def test_the_loop_goes_on_while_passwords_are_verified() -> None:
    """Twenty verifications at once: others are answered between them, not after them."""
    hasher = PasswordHasher(ROUGHLY_30_MS, threads=2)
    encoded = await hasher.hash(PASSWORD)
    verifying = asyncio.gather(*[hasher.verify(encoded, PASSWORD) for _ in range(20)])
    ticks = 0
    while not verifying.done():
        await anyio.sleep(0.001)
        ticks += 1
    assert len(await verifying) == 20
    assert ticks > 20
    hasher.close()


async def test_past_the_queue_the_answer_is_overloaded_and_then_it_recovers(
    busy: PasswordHasher, gate: threading.Event
) -> None:
    """What does not fit is refused at once with a time to come back; the rest is served."""
    served = [asyncio.create_task(busy.hash(PASSWORD)) for _ in range(3)]
    await lowlevel.checkpoint()
    assert busy.waiting == 2
    for _ in range(5):
        with pytest.raises(Overloaded) as caught:
            await busy.hash(PASSWORD)
        assert caught.value.retry_after
    gate.set()
    assert len(await asyncio.gather(*served)) == 3
    assert busy.waiting == 0
    assert await busy.hash(PASSWORD)


async def test_a_client_that_hangs_up_leaves_the_queue(
    busy: PasswordHasher, gate: threading.Event
) -> None:
    """What had not begun is never hashed, and its place is free again."""
    first, *others = [asyncio.create_task(busy.hash(PASSWORD)) for _ in range(3)]
    await lowlevel.checkpoint()
    for task in others:
        task.cancel()
    await asyncio.wait(others)
    assert busy.waiting == 0
    gate.set()
    assert await first


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is the whole process's")
async def test_hashing_steps_back_for_other_work(hasher: PasswordHasher) -> None:
    """The threads that hash have a lower priority than the one that answers requests."""
    await hasher.hash(PASSWORD)
    threads = [each for each in threading.enumerate() if each.name.startswith("counterfoil-hash")]
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    assert threads
    for thread in threads:
        assert os.getpriority(os.PRIO_PROCESS, thread.native_id or 0) > mine


def test_the_command_line_hashes_without_a_loop(hasher: PasswordHasher) -> None:
    """The blocking forms do the same work on the calling thread."""
    assert hasher.verify_now(hasher.hash_now(PASSWORD), PASSWORD) == MATCHES
    with pytest.raises(SignInRefused):
        hasher.verify_now(None, PASSWORD)


@pytest.mark.parametrize("impossible", [{"rounds": 0}, {"lanes": 0}, {"memory_kib": 7}])
def test_an_impossible_profile_is_refused_when_it_is_built(impossible: dict[str, int]) -> None:
    """argon2id needs a round, a lane and 8 KiB for each lane."""
    with pytest.raises(ConfigurationError):
        HashProfile(**impossible)
