"""Claims: what a source may answer, and that everything else is its own fault, said in time."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.claims import LARGEST, normalised, require_roles, require_subject
from counterfoil.errors import ClaimsTooLarge, ConfigurationError, Malformed
from counterfoil.strict_json import parse_object
from counterfoil.token import RESERVED


def nested(deep: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(deep):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("answer", "claims"),
    [
        ({}, {}),
        ([], {"roles": []}),
        (["admin", "a.b:c/d-e_F9"], {"roles": ["admin", "a.b:c/d-e_F9"]}),
        (("admin",), {"roles": ["admin"]}),
        ({"roles": ("admin",), "org": 7}, {"roles": ["admin"], "org": 7}),
        (
            {"plan": {"seats": [1, 2.5, None, True, "é"]}},
            {"plan": {"seats": [1, 2.5, None, True, "é"]}},
        ),
        ({"teams": ("a", "b")}, {"teams": ["a", "b"]}),
    ],
)
def test_claims_are_plain_json_and_a_bare_sequence_means_roles(answer: Any, claims: Any) -> None:
    """As they will read back from a token or a database: no tuple stays a tuple."""
    assert normalised(answer) == claims


def test_an_answer_is_copied() -> None:
    """What the application does with its own lists later is not in anybody's session."""
    teams = ["red"]
    claims = normalised({"teams": teams})
    teams.append("blue")
    assert claims == {"teams": ["red"]}


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_name_is_refused(name: str) -> None:
    """A claims source must not become the issuer."""
    with pytest.raises(ConfigurationError, match=f"Rename the claim {name}:"):
        normalised({name: "x"})


WRONG: Final[dict[str, Any]] = {
    "none": None,
    "number": 17,
    "bool": True,
    "a text, which is a sequence of letters": "admin",
    "bytes": b"admin",
    "object": object(),
    "numbers as roles": [1],
    "nothing as a role": [None],
    "a role with a space": ["a b"],
    "a role with a comma": ["a,b"],
    "a role beyond ASCII": ["é"],
    "an empty role": [""],
    "a long role": ["a" * 65],
    "a role with a line end": ["a\n"],
    "roles in roles": [["admin"]],
    "no roles": {"roles": None},
    "roles as a text": {"roles": "admin"},
    "roles as an object": {"roles": {"admin": True}},
    "not JSON": {"x": object()},
    "a set": {"x": {1, 2}},
    "bytes inside": {"x": b"bytes"},
    "not a number": {"x": math.nan},
    "infinity": {"x": math.inf},
    "more than 64 bits": {"x": 2**64},
    "a lone surrogate": {"x": "\ud800"},
    "NUL": {"x": "\0"},
    "a lone surrogate as a name": {"\ud800": 1},
    "two names that JSON makes one": {1: "one", "1": "another"},
    "a tuple as a name": {("a", "b"): 1},
    "too deep": nested(17),
    "so deep that Python gives up": nested(100_000),
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
def test_whatever_no_token_could_carry_is_the_sources_fault(answer: Any) -> None:
    """And is said before anything is committed: found out while signing, it would have spent the
    client's handle for nothing."""
    with pytest.raises(ConfigurationError) as refused:
        normalised(answer)
    assert len(str(refused.value)) < 200


def test_more_than_a_token_carries_has_a_code_of_its_own() -> None:
    """It is mostly a matter of what is said of somebody, such as their roles, and not of the
    source."""
    with pytest.raises(ClaimsTooLarge, match="4096"):
        normalised({"x": "y" * LARGEST})
    most = "y" * (LARGEST - len(json.dumps({"x": ""})))
    assert normalised({"x": most}) == {"x": most}


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8).filter(lambda name: name not in RESERVED and name != "roles"),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=4), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_what_passes_reads_back_from_strict_json_as_it_is(answer: dict[str, Any]) -> None:
    """The same text is what tokens and databases hold."""
    try:
        claims = normalised(answer)
    except ConfigurationError:
        return
    text = json.dumps(claims, ensure_ascii=False).encode()
    assert parse_object(text) == claims == normalised(claims)


def test_roles_are_a_list_that_a_header_can_carry() -> None:
    """Joined by commas in X-Auth-Roles."""
    assert require_roles(["admin"]) == ["admin"]
    for wrong in ("admin", b"admin", None, 7, ["a,b"], [b"a"], {"admin"}):
        with pytest.raises(ConfigurationError):
            require_roles(wrong)


@pytest.mark.parametrize("subject", ["a", "user-17", "~!@", "x" * 255])
def test_a_subject_is_visible_ascii(subject: str) -> None:
    """1 to 255 of it."""
    assert require_subject(subject) == subject


@pytest.mark.parametrize("subject", ["", "a b", "é", "a\n", "\x7f", "x" * 256, None, 17, b"a"])
def test_s17_a_subject_that_a_header_could_not_carry_is_malformed(subject: object) -> None:
    """Before anything is opened for it."""
    with pytest.raises(Malformed):
        require_subject(subject)
