"""The feed on the wire: what a question and an answer may be, and that one belongs to the other."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil import status_feed
from counterfoil.errors import AuthError, KeyUnknown, Malformed, SignatureMismatch
from counterfoil.handle import HandleSecrets
from counterfoil.status_change import Position, Status
from counterfoil.status_feed import MOST_CHANGES, Question, Terms, WrittenTerms
from feeding import (
    HELD,
    HONEST,
    KIDS,
    NONCE,
    STATUS_KEY,
    TEN,
    TERMS,
    TOKEN_KEY,
    WRITTEN,
    answer,
    asked,
    at,
    feed_read,
    listed,
    read_answer,
    reread,
    signed,
    terms,
)
from forging import ISSUER, NOW, SECOND, segment

WORDS: Final = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
POSITIONS: Final = st.builds(Position, WORDS, st.integers(0, 10**18 - 1))
SPANS: Final = st.integers(0, 999_999).map(lambda ms: timedelta(milliseconds=ms))
CHANGES: Final = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 999), st.sampled_from(get_args(Status)))
)


@given(
    st.builds(
        Question,
        nonce=st.binary(min_size=16, max_size=16).map(status_feed.nonce_of),
        position=st.none() | POSITIONS,
        seal=st.just("") | WORDS,
        terms=st.just("") | WORDS,
        wait=SPANS,
        verifier=st.just("") | WORDS,
    )
)
def test_a_question_is_read_as_it_was_asked(question: Question) -> None:
    """Whatever is in it."""
    assert reread(question) == question


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": None},
        {"nonce": ""},
        {"nonce": NONCE + "A"},
        {"nonce": NONCE[:-1]},
        {"nonce": NONCE[:-1] + "="},
        {"nonce": NONCE + "\n"},
        {"number": None},
        {"epoch": None},
        {"epoch": "a b"},
        {"epoch": "x" * 65},
        {"number": "-1"},
        {"number": "+1"},
        {"number": "1.0"},
        {"number": " 1"},
        {"number": "1_0"},
        {"number": "\u0661"},
        {"number": "9" * 19},
        {"wait": ""},
        {"wait": "-1"},
        {"wait": "nan"},
        {"wait": "1e9"},
        {"wait": "1000"},
        {"wait": "1.0000"},
        {"wait": ".5"},
        {"seal": ""},
        {"seal": "a\0"},
        {"terms": "x" * 65},
        {"verifier": "\u00e4"},
        {"position": "3"},
        {"Nonce": NONCE},
    ],
    ids=str,
)
def test_a_question_of_another_form_is_malformed(changes: dict[str, str | None]) -> None:
    """Each member in one form, and no member that the feed does not know."""
    members = {"nonce": NONCE, "epoch": "e", "number": "3", "wait": "1", **changes}
    with pytest.raises(Malformed):
        Question.read((name, value) for name, value in members.items() if value is not None)


@pytest.mark.parametrize("name", ["nonce", "epoch", "number", "seal", "terms", "wait", "verifier"])
def test_s19_a_member_twice_is_malformed(name: str) -> None:
    """Two readers would read two questions; also where both say the same."""
    members = {"epoch": "e", "number": "3", "seal": "s", "terms": "t", "wait": "1", "verifier": "v"}
    pairs = [*members.items(), ("nonce", NONCE)]
    with pytest.raises(Malformed, match="once"):
        Question.read([*pairs, *(pair for pair in pairs if pair[0] == name)])


def test_a_nonce_is_128_bits() -> None:
    """In 22 letters."""
    assert status_feed.NONCE_BYTES * 8 == 128
    assert status_feed.nonce_of(bytes(range(16))) == NONCE


SECRETS: Final = HandleSecrets({0: b"0" * 32, 3: b"3" * 32}, 3)


def test_a_seal_proves_that_an_issuer_said_this_position() -> None:
    """Under the current K or a former one; of no other position, and by nobody else."""
    sealed = status_feed.seal(at(5), secrets=SECRETS)
    assert status_feed.is_sealed(at(5), sealed, secrets=SECRETS)
    former = status_feed.seal(at(5), secrets=HandleSecrets({0: b"0" * 32}, 0))
    assert status_feed.is_sealed(at(5), former, secrets=SECRETS)
    assert sealed != former
    for position in (at(6), at(50), at(5, "epoch-2"), at(5, "epoch-1\0")):
        assert not status_feed.is_sealed(position, sealed, secrets=SECRETS)
    others = HandleSecrets({3: b"4" * 32}, 3)
    assert not status_feed.is_sealed(at(5), sealed, secrets=others)


@pytest.mark.parametrize(
    "given", ["", "-", "3-", "3", "x", "00-0", "7-00", "-3-0", "\u0663-00", "3-\u00e4", "9" * 64]
)
def test_what_is_no_seal_proves_nothing(given: str) -> None:
    """And is no error: anybody may send it."""
    assert not status_feed.is_sealed(at(5), given, secrets=SECRETS)


def test_an_answer_brings_the_changes_and_the_terms() -> None:
    """To who asked from there, under the time that the issuer had."""
    found = read_answer(signed(answer()))
    assert found.read == HONEST
    assert found.terms == TERMS
    assert found.digest == WRITTEN.digest
    assert found.read.at == datetime.fromtimestamp(SECOND, UTC)


def test_terms_that_are_known_do_not_come_again() -> None:
    """An answer with nothing new is short: a thousand verifiers get it every three seconds."""
    question = asked(terms=WRITTEN.digest)
    text = signed(answer(question, feed_read(3, 3)))
    assert len(text) < 600
    found = read_answer(text, question, held=HELD)
    assert (found.terms, found.read.lists, found.read.changes) == (TERMS, TERMS.lists, ())


@pytest.mark.parametrize("held", [None, ("0" * 16, TERMS)])
def test_terms_that_are_not_known_here_cannot_be_gone_by(held: tuple[str, Terms] | None) -> None:
    """Those that are held are others; the next question says which."""
    with pytest.raises(Malformed, match="not known here"):
        read_answer(signed(answer(terms=..., digest=WRITTEN.digest)), held=held)


def test_an_answer_may_say_to_begin_with_the_lists() -> None:
    """Then it brings no change, whatever it says, and the directory alone."""
    found = read_answer(signed(answer(asked(), feed_read(None, 5), changes={"a": {"1": [7]}})))
    assert (found.read.after, found.read.position, found.read.changes) == (None, at(5), ())
    assert found.read.lists == TERMS.lists


@settings(deadline=None)
@given(CHANGES, st.integers(0, 2**61), st.integers(0, 2**20))
def test_what_is_answered_is_what_was_read(
    changes: list[tuple[str, int, Status]], after: int, more: int
) -> None:
    """The last change of an entry stands, whatever order they came in."""
    question = asked(after)
    found = read_answer(
        signed(answer(question, feed_read(after, after + more, *changes))), question
    )
    assert found.read.position == at(after + more)
    assert found.read.after == at(after)
    said = [(change.list_id, change.index, change.status) for change in found.read.changes]
    assert len(said) == len({(name, index) for name, index, _ in said})
    assert {(n, i): s for n, i, s in said} == {(n, i): s for n, i, s in changes}


@settings(deadline=None, max_examples=300)
@given(st.integers(0), st.characters(codec="ascii"))
def test_no_other_text_is_the_same_answer(where: int, letter: str) -> None:
    """Any byte of it changed, added or taken out: refused, by an error of ours and no other."""
    text = signed(answer())
    place = where % len(text)
    for other in (
        text[:place] + letter + text[place + 1 :],
        text[:place] + letter + text[place:],
        text[:place] + text[place + 1 :],
        text[:place],
    ):
        if other != text:
            with pytest.raises(AuthError):
                read_answer(other)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
MEMBERS: Final = sorted(json.loads(answer()))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(MEMBERS), JSON)
def test_whatever_a_member_holds_the_answer_is_read_or_refused(name: str, value: object) -> None:
    """Signed as it is: nothing outside our errors comes out."""
    changes = {name: value} if name != "terms" else {"terms": value, "digest": WRITTEN.digest}
    try:
        read_answer(signed(answer(**changes)))
    except AuthError:
        return


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([*json.loads(WRITTEN.members), "longer"]), JSON)
def test_whatever_a_term_is_the_answer_is_read_or_refused(name: str, value: object) -> None:
    """Under the right digest."""
    try:
        read_answer(signed(answer(terms=terms(**{name: value}))))
    except AuthError:
        return


STRANGE: Final[tuple[object, ...]] = (None, True, -1, 1.0, 1.5, "5", "", [], [5], {}, 2**63, 10**40)


def strange(*fit: object) -> list[object]:
    """Values that fit nowhere, but for those that fit here."""
    return [value for value in STRANGE if repr(value) not in map(repr, fit)]


NO_WORDS: Final = (..., *strange("5"), "a b", "x" * 65)
WRONG: Final[dict[str, tuple[object, ...]]] = {
    "iss": (..., *STRANGE, ISSUER + "/", ISSUER.upper(), "https://other.example"),
    "iat": (..., *STRANGE, 253_370_764_800),
    "nonce": (..., *STRANGE, NONCE[:-1] + "g", NONCE.lower(), "\u00e4" * 22, [NONCE]),
    "epoch": (*NO_WORDS, "epoch-2"),
    "from": (*strange(None), 2, 4, 6),
    "to": (..., *STRANGE, 2),
    "seal": NO_WORDS,
    "digest": (*NO_WORDS, "0" * 16),
    "changes": (
        *(..., *strange({}), {"a": [7]}, {"a": None}, {"a": {"1": 7}}, {"a": {"1": {"7": 1}}}),
        *({"a": {status: [7]}} for status in ("4", "-1", "01", "", "1.0")),
        *({"a": {"1": [7, value]}} for value in STRANGE),
    ),
    "terms": tuple(strange(None)),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_an_answer_with_a_member_that_is_wrong_is_refused(name: str, value: object) -> None:
    """Though it is signed: missing, of another type, too large, or of another question."""
    with pytest.raises(Malformed):
        read_answer(signed(answer(**{name: value})))


LIST: Final = ["a", 1000, SECOND, SECOND + 3600, SECOND + 7200]
NO_LISTS: Final = [
    *(LIST[:-1], [*LIST, 1], dict(enumerate(LIST)), ["../a", *LIST[1:]]),
    *(["a", 2**26 + 1, *LIST[2:]], [*LIST[:4], 253_370_764_800]),
    *([value, *LIST[1:]] for value in strange("5")),
    *([*LIST[:place], value, *LIST[place + 1 :]] for place in range(1, 5) for value in STRANGE),
]
WRONG_TERMS: Final[dict[str, tuple[object, ...]]] = {
    "lists": (..., *strange([]), *([entry] for entry in NO_LISTS)),
    "keys": (..., *strange([]), ["a b"], [["a"]], [""]),
    "max_staleness": (..., *strange(1.0, 1.5), 0, 0.5, 60.5),
    "longer": (*strange({}), {"api": 0.5}, {"api": "9"}, {"api": None}, {"x" * 65: 9.0}),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG_TERMS.items() for value in values]
)
def test_terms_that_are_wrong_are_refused(name: str, value: object) -> None:
    """Though they are signed, under the right digest."""
    with pytest.raises(Malformed):
        read_answer(signed(answer(terms=terms(**{name: value}))))


def test_terms_under_the_digest_of_others_are_refused() -> None:
    """Else they could be swapped for those that are held."""
    with pytest.raises(Malformed, match="others than it says"):
        read_answer(signed(answer(terms=terms(max_staleness=60.0), digest=WRITTEN.digest)))


def test_a_member_twice_makes_an_answer_unreadable() -> None:
    """JSON that two readers read differently."""
    text = answer()[:-1] + b',"to":9}'
    with pytest.raises(Malformed, match="repeats"):
        read_answer(signed(text))


@pytest.mark.parametrize(
    ("other", "number"),
    [(asked(3, nonce=NONCE[::-1]), 3), (asked(2), 2), (asked(4), 4), (asked(None), None)],
)
def test_s21_an_answer_to_another_question_is_none(other: Question, number: int | None) -> None:
    """By its nonce; and where that is right, it must continue from where it was asked."""
    text = signed(answer(asked(3), nonce=other.nonce if number != 3 else NONCE))
    with pytest.raises(Malformed):
        read_answer(text, other)


def test_an_answer_of_another_epoch_continues_nothing() -> None:
    """The same number is another position there."""
    with pytest.raises(Malformed, match="does not continue"):
        read_answer(signed(answer(epoch="epoch-2")))


def test_who_may_sign_an_answer() -> None:
    """A key for status, by its own name, under the type of an answer."""
    payload = answer()
    with pytest.raises(KeyUnknown):
        read_answer(signed(payload, key=TOKEN_KEY))
    with pytest.raises(KeyUnknown):
        read_answer(signed(payload, key=replace(STATUS_KEY, kid="unknown")))
    with pytest.raises(SignatureMismatch):
        read_answer(signed(payload, key=replace(STATUS_KEY, material=TOKEN_KEY.material)))
    for typ in ("statuslist+jwt", "at+jwt", "JWT", "counterfoil-feed", "feed+jwt"):
        with pytest.raises(Malformed, match="no answer of a feed"):
            read_answer(signed(payload, typ=typ))
    with pytest.raises(AuthError):
        read_answer(f"{segment(json.dumps({'alg': 'none'}).encode())}.{segment(payload)}.")


def test_as_many_changes_as_an_answer_may_have_are_read() -> None:
    """The longest that the issuer sends is not longer than the longest that a verifier reads."""
    size = 2**20
    lists = tuple(listed(f"list-{number:03}", size) for number in range(24))
    indices = range(size - 1, size - 1 - MOST_CHANGES, -1)
    read = feed_read(3, 5, *((lists[i % 24].id, i, 1) for i in indices), lists=lists)
    written = WrittenTerms(replace(TERMS, lists=lists))
    payload = status_feed.answer(asked(), read, written, issuer=ISSUER, sealed="0-aa")
    assert set(read_answer(signed(payload)).read.changes) == set(read.changes)


def test_an_answer_that_is_too_long_is_not_read() -> None:
    """Before anything in it is looked at."""
    with pytest.raises(AuthError):
        read_answer(signed(answer(more="x" * status_feed.LIMIT)))


def test_a_client_may_have_longer_than_the_others() -> None:
    """The rest have what is said for all."""
    longer = {"slow": 6 * TEN}
    given = Terms(lists=(), kids=KIDS, max_staleness=TEN, longer=longer)
    payload = status_feed.answer(asked(), HONEST, WrittenTerms(given), issuer=ISSUER, sealed="s")
    found = read_answer(signed(payload)).terms
    assert found == given
    assert (found.max_staleness_of("slow"), found.max_staleness_of("api")) == (6 * TEN, TEN)


def test_moments_of_the_directory_are_whole_seconds_rounded_up() -> None:
    """So that no list is dropped, at a verifier, before its last token has expired."""
    tick = timedelta(microseconds=1)
    entry = replace(listed(), opens_at=NOW + tick, dropped_at=NOW + TEN + tick)
    payload = status_feed.answer(
        asked(), HONEST, WrittenTerms(replace(TERMS, lists=(entry,))), issuer=ISSUER, sealed="s"
    )
    (found,) = read_answer(signed(payload)).terms.lists
    assert found.opens_at == NOW + timedelta(seconds=1)
    assert found.dropped_at == NOW + TEN + timedelta(seconds=1)
