from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from counterfoil.errors import TooManyAttempts
from counterfoil.server.throttle import (
    PER_ACCOUNT,
    PER_ADDRESS,
    FailureCount,
    ThrottleRule,
    account_key,
    address_key,
    taken_back,
)

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRET = bytes(range(32))


def failed(
    times: int, rule: ThrottleRule = PER_ACCOUNT, *, every: timedelta = timedelta(0)
) -> FailureCount:
    """The count after so many attempts, the last one at START."""
    count = FailureCount("key")
    for number in range(times):
        count = rule.after_attempt(count, now=START - every * (times - 1 - number))
    return count


def wait_after(count: FailureCount, rule: ThrottleRule = PER_ACCOUNT, *, now: datetime) -> float:
    """The seconds that an attempt at `now` would be told to wait."""
    try:
        rule.require_allowed(count, now=now)
    except TooManyAttempts as why:
        return why.retry_after.total_seconds()
    return 0


def test_the_first_five_failures_cost_nothing() -> None:
    """Somebody who mistypes a few times does not wait."""
    assert [wait_after(failed(times), now=START) for times in range(5)] == [0] * 5


def test_the_wait_doubles_with_each_failure_up_to_fifteen_minutes() -> None:
    """From the fifth failure on: 1 s, 2 s, 4 s … 512 s, then 900 s each."""
    waits = [wait_after(failed(times), now=START) for times in range(5, 18)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


def test_the_wait_runs_from_the_latest_failure_and_ends() -> None:
    """An attempt is allowed in the very moment that the wait is over, and not before."""
    count = failed(8)
    assert wait_after(count, now=START + timedelta(seconds=5)) == 3
    assert wait_after(count, now=START + timedelta(seconds=8)) == 0


def test_attempts_sent_at_once_are_counted_one_by_one() -> None:
    """Of a hundred attempts in one instant five are hashed: each sees those counted before it."""
    count, allowed = FailureCount("key"), 0
    for _ in range(100):
        allowed += wait_after(count, now=START) == 0
        count = PER_ACCOUNT.after_attempt(count, now=START)
    assert allowed == 5


def test_no_more_than_a_hundred_guesses_follow_each_other() -> None:
    """Whoever waits patiently has 100 guesses, then the password is locked for good."""
    count, now, guesses = FailureCount("key"), START, 0
    while not PER_ACCOUNT.is_locked(count):
        PER_ACCOUNT.require_allowed(count, now=now)
        count = PER_ACCOUNT.after_attempt(count, now=now)
        guesses += 1
        now += timedelta(minutes=15)
    assert guesses == 100
    assert wait_after(count, now=now + timedelta(days=3650)) == 3600


def test_a_locked_password_says_how_it_is_unlocked() -> None:
    """The refusal names the device that is signed in and the administrator."""
    with pytest.raises(TooManyAttempts, match=r"signed in, or ask an administrator"):
        PER_ACCOUNT.require_allowed(failed(100), now=START)


def test_an_attempt_that_must_wait_counts_against_the_account() -> None:
    """Trying during the wait makes it longer."""
    count = PER_ACCOUNT.after_attempt(failed(7), now=START + timedelta(seconds=1))
    assert count == FailureCount("key", 8, START + timedelta(seconds=1))


def test_an_attempt_that_must_wait_does_not_count_against_the_address() -> None:
    """A crowd behind one address gets its turn, however many of them try during the wait."""
    count = failed(300, PER_ADDRESS)
    later = START + timedelta(milliseconds=500)
    for _ in range(1000):
        count = PER_ADDRESS.after_attempt(count, now=later)
    assert wait_after(count, PER_ADDRESS, now=START + timedelta(seconds=1)) == 0


def test_the_right_password_ends_the_row_of_failures() -> None:
    """After a success the account starts from nothing."""
    count = PER_ACCOUNT.after_success(failed(50))
    assert wait_after(count, now=START) == 0
    assert PER_ACCOUNT.after_attempt(count, now=START).failures == 1


def test_a_success_takes_back_only_its_own_attempt_from_the_address() -> None:
    """Signing in to an account of one's own does not clear what was guessed at others."""
    count = PER_ADDRESS.after_success(failed(200, PER_ADDRESS))
    assert count.failures == 199


def test_an_attempt_that_could_not_be_compared_is_taken_back() -> None:
    """A server without time for a password counts no failure for it."""
    assert taken_back(failed(3)).failures == 2
    assert taken_back(FailureCount("key")).failures == 0


def test_an_address_has_room_for_many_people() -> None:
    """300 failures are free; then waits grow to five minutes and nothing is ever locked."""
    assert wait_after(failed(299, PER_ADDRESS), PER_ADDRESS, now=START) == 0
    assert wait_after(failed(300, PER_ADDRESS), PER_ADDRESS, now=START) == 1
    assert wait_after(FailureCount("key", 10**9, START), PER_ADDRESS, now=START) == 300


def test_an_hour_without_failures_clears_the_address() -> None:
    """The count of an address is none after an hour, and begins anew."""
    count, later = failed(500, PER_ADDRESS), START + timedelta(hours=1)
    assert PER_ADDRESS.is_forgotten(count, now=later)
    assert PER_ADDRESS.after_attempt(count, now=later) == FailureCount("key", 1, later)


def test_a_locked_account_is_not_forgotten() -> None:
    """The row of a locked account is kept; one that is not locked may go after 30 days."""
    later = START + timedelta(days=30)
    assert PER_ACCOUNT.is_forgotten(failed(99), now=later)
    assert not PER_ACCOUNT.is_forgotten(failed(99), now=later - timedelta(seconds=1))
    assert not PER_ACCOUNT.is_forgotten(failed(100), now=later)


@pytest.mark.parametrize("rule", [PER_ACCOUNT, PER_ADDRESS])
def test_a_clock_that_went_back_makes_nobody_wait_longer(rule: ThrottleRule) -> None:
    """The wait is never longer than the delay itself, and one more attempt mends the count."""
    count = FailureCount("key", rule.free, START + timedelta(days=365))
    assert wait_after(count, rule, now=START) == 1
    assert rule.after_attempt(count, now=START).last_at == START


def test_an_accounts_key_does_not_tell_the_identifier() -> None:
    """Whoever reads the table cannot try identifiers against it without the server's secret."""
    key = account_key("alice@example.com", secret=SECRET)
    assert "alice" not in key
    assert key == account_key("alice@example.com", secret=SECRET)
    assert key != account_key("alice@example.com", secret=bytes(32))
    assert key != account_key("alice@example.org", secret=SECRET)


def test_any_text_has_a_key() -> None:
    """An identifier that no account can have is counted like any other."""
    assert account_key("\ud800", secret=SECRET) != account_key("", secret=SECRET)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "address:192.0.2.7"),
        ("::ffff:192.0.2.7", "address:192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "address:2001:db8:1:2::/64"),
        ("fe80::1%eth0", "address:fe80::/64"),
        ("testclient", "address:unknown"),
        ("", "address:unknown"),
    ],
)
def test_one_subscriber_is_one_address(address: str, key: str) -> None:
    """IPv6 addresses count by their /64, mapped IPv4 ones as IPv4, anything else as one."""
    assert address_key(address) == key
