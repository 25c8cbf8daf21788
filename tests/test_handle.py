"""Handles: made, parsed, succeeded; what is not one of ours is told apart without a look-up."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil import handle as handles
from counterfoil.errors import ConfigurationError, CredentialMalformed, SessionUnknown
from counterfoil.handle import Handle, HandleSecrets

K0, K1 = b"k" * 32, b"l" * 32
SECRETS: Final = HandleSecrets({0: K0}, 0)
ROTATED: Final = HandleSecrets({0: K0, 1: K1}, 1)
SESSION_ID: Final = handles.new_session_id(b"i" * 16)


def fresh(secrets_: HandleSecrets = SECRETS, *, secret: bytes = b"s" * 16, **more: int) -> Handle:
    return handles.first(SESSION_ID, secret=secret, secrets=secrets_, **more)


def changed(text: str, place: int, mask: int = 1) -> str:
    """The text with bits of one of its 45 bytes turned."""
    data = bytearray(urlsafe_b64decode(text[3:]))
    data[place] ^= mask
    return "cf_" + urlsafe_b64encode(data).decode()


@settings(deadline=None)
@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**16 - 1),
    st.integers(0, handles.LAST_GENERATION),
)
def test_a_handle_reads_back_as_it_was_made(
    entropy: bytes, secret: bytes, shard: int, generation: int
) -> None:
    """Whatever is in it, the text is 63 characters and says it again."""
    made = handles.first(
        handles.new_session_id(entropy),
        secret=secret,
        secrets=ROTATED,
        shard=shard,
        generation=generation,
    )
    assert len(made.text) == handles.LENGTH == 63
    assert handles.looks_like(made.text)
    assert handles.parse(made.text, secrets=ROTATED) == made
    assert (made.shard, made.generation, made.secret_version) == (shard, generation, 1)


@pytest.mark.parametrize("place", range(45))
def test_a_handle_with_any_byte_changed_was_not_issued_here(place: int) -> None:
    """Format, version, shard, id, generation, secret and tag: the tag speaks for all of them."""
    for mask in (0x01, 0x80):
        with pytest.raises(SessionUnknown):
            handles.parse(changed(fresh().text, place, mask), secrets=ROTATED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cf_",
        "cf_" + "A" * 59,
        "cf_" + "A" * 61,
        "CF_" + "A" * 60,
        "cf-" + "A" * 60,
        "cf_" + "A" * 59 + "=",
        "cf_" + "A" * 59 + "+",
        "cf_" + "A" * 59 + "/",
        "cf_" + "A" * 59 + "\n",
        "cf_" + "A" * 59 + "\u0661",
        "cf_" + "A" * 59 + "\ud800",
        " cf_" + "A" * 59,
        "cf_" + "A" * 100_000,
    ],
)
def test_s2_what_is_no_handle_in_form_is_malformed(text: str) -> None:
    """Length and alphabet are exact; nothing is trimmed, padded or folded."""
    assert not handles.looks_like(text)
    with pytest.raises(CredentialMalformed):
        handles.parse(text, secrets=SECRETS)


def test_a_guessed_handle_was_not_issued_here() -> None:
    """A random text of the right form fails at its tag."""
    for _ in range(100):
        with pytest.raises(SessionUnknown):
            handles.parse("cf_" + secrets.token_urlsafe(45), secrets=SECRETS)


def test_a_handle_under_another_k_was_not_issued_here() -> None:
    """Also where the other K has the same version."""
    with pytest.raises(SessionUnknown):
        handles.parse(fresh(HandleSecrets({0: K1}, 0)).text, secrets=SECRETS)


def test_a_handle_under_a_version_that_is_gone_was_not_issued_here() -> None:
    """And is not a crash."""
    with pytest.raises(SessionUnknown):
        handles.parse(fresh(ROTATED).text, secrets=SECRETS)


def test_s4_after_a_change_of_k_old_handles_pass_and_new_ones_are_under_the_new() -> None:
    """Each version verifies its own; only the current one makes handles."""
    old = handles.parse(fresh(SECRETS).text, secrets=ROTATED)
    assert old.secret_version == 0
    assert fresh(ROTATED).secret_version == 1


def test_a_family_stays_with_the_version_it_began_under() -> None:
    """Or a retry after the change would derive another successor than the first answer had."""
    before = handles.succeed(fresh(SECRETS), secrets=SECRETS)
    after = handles.succeed(fresh(SECRETS), secrets=ROTATED)
    assert before == after


def test_a_successor_is_the_same_whenever_it_is_asked_for() -> None:
    """On every node, from the text alone; so nobody has to keep it."""
    spent = fresh()
    again = handles.parse(spent.text, secrets=SECRETS)
    successor = handles.succeed(spent, secrets=SECRETS)
    assert handles.succeed(again, secrets=SECRETS) == successor
    assert (successor.session_id, successor.generation) == (SESSION_ID, 1)
    assert handles.parse(successor.text, secrets=SECRETS) == successor


def test_a_successor_depends_on_the_whole_handle() -> None:
    """Neighbours in secret, shard and generation have nothing in common."""
    neighbours = [fresh(), fresh(secret=b"t" * 16), fresh(shard=1), fresh(generation=1)]
    secrets_of = {
        urlsafe_b64decode(handles.succeed(each, secrets=SECRETS).text[3:])[22:38]
        for each in neighbours
    }
    assert len(secrets_of) == len(neighbours)


def test_walking_is_succeeding_step_by_step() -> None:
    """From any spent generation to any later one; from the current one nowhere."""
    start = fresh()
    third = start
    for _ in range(3):
        third = handles.succeed(third, secrets=SECRETS)
    assert handles.walk(start, 3, secrets=SECRETS) == third
    assert handles.walk(handles.succeed(start, secrets=SECRETS), 3, secrets=SECRETS) == third
    assert handles.walk(third, 3, secrets=SECRETS) == third


def test_a_digest_says_nothing_about_the_handle() -> None:
    """32 bytes, another for every handle."""
    digests = {fresh(secret=bytes([n]) * 16).digest for n in range(20)}
    assert len(digests) == 20
    assert {len(digest) for digest in digests} == {32}


def test_neither_a_handle_nor_k_shows_in_a_repr() -> None:
    """A log line that holds one must not be worth stealing."""
    made = fresh()
    shown = f"{made!r} {SECRETS!r} {made} {SECRETS}"
    for secret in (made.text, made.text[3:], "k" * 8, K0.hex(), repr(made.digest)):
        assert secret not in shown


@pytest.mark.parametrize(
    ("versions", "current"),
    [
        ({0: K0}, 1),
        ({}, 0),
        ({16: K0}, 16),
        ({-1: K0}, -1),
        ({0: b"k" * 31}, 0),
        ({0: K0, 1: b""}, 0),
    ],
)
def test_secrets_that_cannot_protect_are_refused(versions: dict[int, bytes], current: int) -> None:
    """Short, misnumbered or missing ones; the error repeats none of them."""
    with pytest.raises(ConfigurationError) as refused:
        HandleSecrets(versions, current)
    assert "kkkk" not in str(refused.value)
