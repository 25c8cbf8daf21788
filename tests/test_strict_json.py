"""Strict JSON: one meaning or a refusal."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.errors import CredentialMalformed, Malformed, TooLarge
from counterfoil.strict_json import DEEPEST, LIMIT, parse_object


def test_an_object_is_read() -> None:
    """All of JSON's kinds, and space around them."""
    read = parse_object(
        b' {"a": [1, -2.5, true, null, "\\u00e9\xc3\xa9\\ud83d\\ude00"], "b": {}}\n'
    )
    assert read == {"a": [1, -2.5, True, None, "éé😀"], "b": {}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"[]",
        b'"a"',
        b"1",
        b"null",
        b"true",
        b"{",
        b'{"a":1}x',
        b'{"a":1}{}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":0x1}',
        b"{a:1}",
        b'{"a":"\n"}',
        b'{"a":"\0"}',
        b'{"a":"\\x41"}',
        b'{"a":/**/1}',
        b'{"a":\xa01}',
        b"\0{}",
        b'{"a":\xd9\xa1}',  # U+0661, a digit to str.isdigit
    ],
)
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    """No dialect is spoken."""
    with pytest.raises(Malformed):
        parse_object(data)


@pytest.mark.parametrize(
    "data",
    [
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xc0\xaf"}',
        b'{"a":"\xed\xa0\x80"}',
        *('{"a":1}'.encode(form) for form in ("utf-16", "utf-16-le", "utf-32")),
    ],
)
def test_every_encoding_but_plain_utf_8_is_refused(data: bytes) -> None:
    """A byte order mark too (RFC 8259 §8.1)."""
    with pytest.raises(Malformed):
        parse_object(data)


def test_a_repeated_member_is_refused_by_its_place() -> None:
    """At every depth, however the name is spelled; the name and value stay unsaid."""
    with pytest.raises(Malformed, match="Member 3 ") as refused:
        parse_object(b'{"user": 1, "secret-name": "hidden-1", "secret-name": "hidden-2"}')
    assert "secret" not in str(refused.value)
    assert "hidden" not in str(refused.value)
    for data in (b'{"x": [{"a": 1, "a": 1}]}', b'{"a": 1, "\\u0061": 2}'):
        with pytest.raises(Malformed, match="Member 2 "):
            parse_object(data)


@pytest.mark.parametrize(
    "number",
    [
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b"9223372036854775808",
        b"9" * 5000,
        b"-9223372036854775809",
        b"0." + b"1" * 40,
        b"-" + b"9" * 5000,
    ],
)
def test_a_number_that_readers_disagree_about_is_refused(number: bytes) -> None:
    """Not finite, past 64 bits, or endless."""
    with pytest.raises(Malformed):
        parse_object(b'{"a": [%s]}' % number)


def test_the_last_numbers_that_fit_are_read() -> None:
    """64 bits, signed."""
    read = parse_object(b'{"a": [9223372036854775807, -9223372036854775808, 1.5e300]}')
    assert read == {"a": [2**63 - 1, -(2**63), 1.5e300]}


@pytest.mark.parametrize("text", ["\\ud800", "\\udc00", "\\udc00\\ud800", "\\u0000", "a\\u0000b"])
@pytest.mark.parametrize("shape", ['{"a": "%s"}', '{"%s": 1}', '{"a": [[{"b": ["%s"]}]]}'])
def test_lone_surrogates_and_nul_are_refused_wherever_they_stand(text: str, shape: str) -> None:
    """No store and no other language keeps them alike."""
    with pytest.raises(Malformed):
        parse_object((shape % text).encode())


def test_an_escaped_backslash_before_u_is_plain_text() -> None:
    r"""`\\u0000` is six letters."""
    assert parse_object(b'{"a": "\\\\u0000"}') == {"a": "\\u0000"}


def test_nesting_ends_at_its_cap() -> None:
    """Brackets within strings are no nesting."""
    inner = DEEPEST - 1
    assert parse_object(b'{"a":' + b"[" * inner + b"]" * inner + b"}")
    with pytest.raises(Malformed):
        parse_object(b'{"a":' + b"[" * DEEPEST + b"]" * DEEPEST + b"}")
    with pytest.raises(Malformed):
        parse_object(b'{"a":' * 10_000)
    assert parse_object(b'{"a": "\\"%s", "b": [[], []]}' % (b"[" * 100))
    assert parse_object(b'{"a": [%s]}' % b",".join([b"{}"] * 100))


@pytest.mark.parametrize(
    "data", [b'{"' + b'\\"' * 30_000 + b"[" * 20, b'"[' * 30_000, b"[]" * 30_000]
)
def test_hostile_text_takes_no_more_time_than_its_length(data: bytes) -> None:
    """64 KiB are refused within moments, not minutes."""
    begun = time.process_time()
    with pytest.raises(Malformed):
        parse_object(data)
    assert time.process_time() - begun < 1


def test_what_is_too_long_is_too_large_before_it_is_read() -> None:
    """The caller may set the limit."""
    with pytest.raises(TooLarge):
        parse_object(b" " * (LIMIT + 1))
    assert parse_object(b"{}", limit=2) == {}
    with pytest.raises(TooLarge):
        parse_object(b"{} ", limit=2)


@pytest.mark.parametrize(
    "data", [b'{"a": "secret', b'"secret"', b'{"a":"secret\xff"}', b"\xef\xbb"]
)
def test_the_refusal_is_the_callers_and_carries_none_of_the_text(data: bytes) -> None:
    """Neither in its words nor in an exception behind it: it may be a password."""
    with pytest.raises(CredentialMalformed) as refused:
        parse_object(data, error=CredentialMalformed)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab\n"\\é😀'), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text('abé\\"'), JSON, max_size=4), st.booleans())
def test_what_was_written_is_what_is_read(value: dict[str, object], ascii_only: bool) -> None:  # noqa: FBT001
    """Escaped or not."""
    assert parse_object(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=60) | st.text('{}[]":,\\u0dD89a1e+-. ').map(str.encode))
def test_whatever_arrives_is_an_object_or_refused_as_ours(data: bytes) -> None:
    """No exception outside our hierarchy."""
    try:
        assert isinstance(parse_object(data), dict)
    except Malformed as refused:
        assert refused.detail  # noqa: PT017 - some inputs raise nothing
