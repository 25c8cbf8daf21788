"""Forms are read in one way only, or refused."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from counterfoil.errors import Malformed, TooLarge
from counterfoil.server.urlencoded import parse, read_form

if TYPE_CHECKING:
    from collections.abc import Iterable

FORM = "application/x-www-form-urlencoded"
# What a browser and every HTTP library can send: any text but lone surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", {}),
        (b"a=b", {"a": "b"}),
        (b"a=b&c=d", {"a": "b", "c": "d"}),
        (b"&a=b&&", {"a": "b"}),
        (b"a=", {"a": ""}),
        (b"a", {"a": ""}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=1+2%2B3%20", {"a": "1 2+3 "}),
        (b"%61=%C3%A4", {"a": "ä"}),
        (b"a=;b", {"a": ";b"}),  # `;` is no separator (CVE-2021-23336)
    ],
)
def test_a_form_is_read_as_the_url_standard_says(body: bytes, fields: dict[str, str]) -> None:
    """Empty values are kept: what they mean is the caller's to say."""
    assert parse(body) == fields


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=20))
def test_what_another_writer_encodes_comes_back(fields: dict[str, str]) -> None:
    """Byte for byte, and as another reader reads it."""
    body = urlencode(fields)
    assert parse(body.encode()) == fields == dict(parse_qsl(body, keep_blank_values=True))


@pytest.mark.parametrize(
    "body",
    [
        b"a=1&a=2",
        b"a=1&%61=1",
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"a=%C3",
        b"a=%ED%A0%80",
        "a=ä".encode(),
        b"a=b c",
        b"a=b\r\n",
        b"a=\0",
        b"&".join(b"f%d=" % number for number in range(101)),
    ],
)
def test_what_two_readers_would_read_differently_is_refused(body: bytes) -> None:
    """A field twice, a bare percent sign, bytes that are no UTF-8, and far too many fields."""
    with pytest.raises(Malformed):
        parse(body)


@given(st.binary())
def test_no_bytes_lead_anywhere_else(body: bytes) -> None:
    """Fields, or `Malformed`."""
    with suppress(Malformed):
        assert all(isinstance(text, str) for pair in parse(body).items() for text in pair)


def read(*chunks: bytes, types: Iterable[str] = (FORM,), whole: bool = True) -> dict[str, str]:
    """The form of a request that arrives in these chunks; `whole`: and then ends."""
    waiting = iter(chunks)

    async def receive() -> dict[str, Any]:
        chunk = next(waiting, None)
        if chunk is not None:
            return {"type": "http.request", "body": chunk, "more_body": True}
        if not whole:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"content-type", each.encode()) for each in types]
    return asyncio.run(read_form(Request({"type": "http", "headers": headers}, receive)))


def test_a_body_may_come_in_pieces() -> None:
    """Also within a percent escape."""
    assert read(b"a=%4", b"1&b", b"=c") == {"a": "A", "b": "c"}
    assert read(b"a=b", types=[f"{FORM.upper()} ; charset=UTF-8"]) == {"a": "b"}


@pytest.mark.parametrize(
    "types", [[], ["application/json"], [FORM, FORM], [f"{FORM}; charset=latin-1"], [f"{FORM}x"]]
)
def test_another_content_type_is_refused(types: list[str]) -> None:
    """JSON that happens to parse as a form is not one."""
    with pytest.raises(Malformed, match=FORM):
        read(b"a=b", types=types)


def test_a_body_is_bounded_in_size_and_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 KiB, and ten seconds; nothing is read after that."""
    assert len(read(b"a=", b"x" * (64 * 1024 - 2))["a"]) == 64 * 1024 - 2
    with pytest.raises(TooLarge, match="65536"):
        read(b"a=", b"x" * (64 * 1024 - 1), whole=False)
    monkeypatch.setattr("counterfoil.integrations.fastapi.body.WITHIN", 0.05)
    with pytest.raises(Malformed, match="did not arrive"):
        read(b"a=", whole=False)
