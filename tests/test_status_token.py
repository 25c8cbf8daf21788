"""The signed list: what is issued is read back, and nothing that only resembles it is read."""

from __future__ import annotations

import tracemalloc
import zlib
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil import jws, status_token
from counterfoil.errors import (
    AuthError,
    ConfigurationError,
    CredentialMalformed,
    KeyUnknown,
    Malformed,
    SignatureMismatch,
)
from counterfoil.status_list import DEFAULT_SIZE, StatusBits
from feeding import (
    STATUS_KEY,
    TOKEN_KEY,
    URI,
    at,
    bits_of,
    list_token,
    members_of,
    read_list,
    signed,
)
from forging import ISSUER, NOW, SECOND


def lst(data: bytes) -> dict[str, object]:
    return {"bits": 2, "lst": urlsafe_b64encode(data).rstrip(b"=").decode()}


PACKED: Final = bits_of((7, 1)).packed()


def test_a_list_says_what_the_draft_asks_of_it() -> None:
    """§5.1; and it is good for a minute, by whichever of exp and ttl a reader goes."""
    token = list_token()
    header = jws.parse(token).header
    assert (header.typ, header.kid, header.alg) == ("statuslist+jwt", STATUS_KEY.kid, "ES256")
    found = members_of(token)
    assert found["sub"] == URI == f"{ISSUER}/status/lists/a"
    assert (found["iat"], found["exp"], found["ttl"]) == (SECOND, SECOND + 60, 60)
    assert found["status_list"] == lst(PACKED)


@settings(deadline=None)
@given(
    st.integers(1, 3000).flatmap(
        lambda size: st.tuples(
            st.just(size), st.dictionaries(st.integers(0, size - 1), st.sampled_from((1, 2, 3)))
        )
    ),
    st.integers(0, 2**62),
)
def test_what_is_issued_is_read_back(entries: tuple[int, dict[int, int]], number: int) -> None:
    """Every entry, where it stands in the feed, and when that was."""
    size, said = entries
    bits = StatusBits(size)
    for index, status in said.items():
        bits[index] = status
    token = status_token.issue(
        URI, bits, at(number), issuer=ISSUER, key=STATUS_KEY, now=NOW + timedelta(microseconds=9)
    )
    found = read_list(token, size=size)
    assert {n: found.bits[n] for n in range(size) if found.bits[n]} == said
    assert (found.position, found.issued_at) == (at(number), SECOND)


def test_only_a_key_for_status_signs_a_list() -> None:
    """Found out where it is signed, not by those who cannot read it."""
    with pytest.raises(ConfigurationError, match="purpose is status"):
        status_token.issue(URI, bits_of(), at(5), issuer=ISSUER, key=TOKEN_KEY, now=NOW)


@settings(deadline=None, max_examples=200)
@given(st.integers(0), st.characters(codec="ascii"))
def test_no_other_text_is_the_same_list(where: int, letter: str) -> None:
    """Any byte of it changed, added or taken out: refused, by an error of ours and no other."""
    text = list_token()
    place = where % len(text)
    for other in (
        text[:place] + letter + text[place + 1 :],
        text[:place] + letter + text[place:],
        text[:place] + text[place + 1 :],
        text[:place],
    ):
        if other != text:
            with pytest.raises(AuthError):
                read_list(other)


STRANGE: Final[tuple[object, ...]] = (None, True, -1, 1.0, 1.5, "5", "", [], [5], {}, 10**40)
WRONG: Final[dict[str, tuple[object, ...]]] = {
    "iss": (..., *STRANGE, ISSUER + "/", "https://other.example"),
    "sub": (..., *STRANGE, URI + "/", URI.upper(), URI + "b", f"{ISSUER}/status/lists/%61"),
    "iat": (..., *STRANGE, SECOND + 1, str(SECOND)),
    "exp": (..., *STRANGE, SECOND + 61, SECOND, str(SECOND + 60)),
    "status_list": (
        *(..., *STRANGE, {"bits": 2}, {"lst": lst(PACKED)["lst"]}),
        *({**lst(PACKED), "bits": bits} for bits in (*STRANGE, 0, 1, 4, 8, "2", 2.0)),
        *({"bits": 2, "lst": value} for value in STRANGE),
    ),
    "counterfoil_position": (
        *(..., *STRANGE, ["epoch-1"], [5, "epoch-1"], ["epoch-1", 5, 5], ["", 5], ["x" * 65, 5]),
        *(["epoch-1", value] for value in STRANGE),
    ),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_list_with_a_member_that_is_wrong_is_refused(name: str, value: Any) -> None:
    """Though it is signed: missing, of another type, or of another list."""
    with pytest.raises(Malformed):
        read_list(list_token(**{name: value}))


def test_whatever_else_it_says_is_passed_over() -> None:
    """Of what later drafts, or others, may add."""
    token = list_token(ttl=..., aggregation_uri="x", status_list={**lst(PACKED), "more": [1]})
    assert read_list(token).bits[7] == 1


TAIL: Final = zlib.compressobj(9)
BOMB: Final = b"".join([*(TAIL.compress(bytes(2**20)) for _ in range(256)), TAIL.flush()])
BROKEN: Final = {
    "no ZLIB": b"not zlib",
    "nothing": b"",
    "gzip": zlib.compressobj(wbits=31).compress(bytes(250)) + zlib.compressobj(wbits=31).flush(),
    "raw deflate": zlib.compress(bytes(250), wbits=-15),
    "cut short": PACKED[:-1],
    "without its checksum": PACKED[:-4],
    "a wrong checksum": PACKED[:-1] + bytes([PACKED[-1] ^ 1]),
    "with something after it": PACKED + b"\0",
    "twice": PACKED * 2,
    "shorter": zlib.compress(bytes(249)),
    "longer": zlib.compress(bytes(251)),
    "empty": zlib.compress(b""),
    "a dictionary is needed": zlib.compressobj(zdict=bytes(250)).compress(b"x")
    + zlib.compressobj(zdict=bytes(250)).flush(),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_s21_entries_that_are_not_whole_are_refused(data: bytes) -> None:
    """A list is exactly as long as the directory says, and nothing follows it."""
    with pytest.raises(Malformed):
        read_list(list_token(status_list=lst(data)))


def test_s21_a_decompression_bomb_costs_the_size_of_the_list() -> None:
    """A signed one too: 256 MiB in 256 KiB."""
    token = list_token(status_list=lst(BOMB))
    assert len(token) < status_token.LIMIT
    read_list(list_token())
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            read_list(token)
        assert tracemalloc.get_traced_memory()[1] < 16 * len(token)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("change", ["=", "==", "A", "+", "/", "\n", " ", "%3d"])
def test_entries_are_canonical_base64url(change: str) -> None:
    """One text for the same bytes: no padding, no other alphabet, no spaces."""
    text = str(lst(PACKED)["lst"])
    for other in (text + change, change + text, text[:5] + change + text[5:]):
        with pytest.raises(Malformed):
            read_list(list_token(status_list={"bits": 2, "lst": other}))


def test_bits_that_mean_nothing_must_be_zero() -> None:
    """The last letter of two texts with the same bytes."""
    text = next(t for n in range(99) if len(t := str(lst(bits_of((n, 1)).packed())["lst"])) % 4)
    other = text[:-1] + chr(ord(text[-1]) + 1)
    assert read_list(list_token(status_list={"bits": 2, "lst": text})).bits.size == 1000
    with pytest.raises(Malformed):
        read_list(list_token(status_list={"bits": 2, "lst": other}))


def test_s21_a_list_is_read_as_no_other() -> None:
    """Signed and sound, under another address, of another size."""
    token = list_token()
    for uri in (URI + "b", URI + "/", URI.replace("https", "http"), f"{ISSUER}/status/lists/"):
        with pytest.raises(Malformed, match="another status list"):
            read_list(token, uri=uri)
    for size in (996, 1004, 4, 0, 2**20):
        with pytest.raises(Malformed, match="size"):
            read_list(token, size=size)


def test_who_may_sign_a_list() -> None:
    """A key for status, by its own name, under the type of a list."""
    with pytest.raises(KeyUnknown):
        read_list(list_token(key=TOKEN_KEY))
    with pytest.raises(KeyUnknown):
        read_list(list_token(key=replace(STATUS_KEY, kid="unknown")))
    with pytest.raises(SignatureMismatch):
        read_list(list_token(key=replace(STATUS_KEY, material=TOKEN_KEY.material)))
    for typ in ("at+jwt", "JWT", "counterfoil-feed+jwt", "statuslist", "statuslist+cwt"):
        with pytest.raises(Malformed, match="not a status list"):
            read_list(list_token(typ=typ))


def test_a_full_list_of_random_entries_is_read_and_a_longer_text_is_not() -> None:
    """The worst that an issuer can have to serve stays below what a verifier takes."""
    size = DEFAULT_SIZE
    noise = b"".join(zlib.crc32(b"%d" % n).to_bytes(4, "big") for n in range(size // 16))
    bits = StatusBits(size, noise)
    token = list_token(bits)
    assert len(token) < 0.6 * status_token.LIMIT
    assert read_list(token, size=size).bits.data == bits.data
    with pytest.raises(CredentialMalformed):
        read_list(signed(b"{}" + b" " * status_token.LIMIT, typ=status_token.TYPE))
