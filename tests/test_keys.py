"""Keys: what is published, and how they change without refusing an honest token."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil.errors import ConfigurationError, KeyTooNew, KeyUnknown, Malformed, NotFound
from counterfoil.keys import PUBLISH_AHEAD, PublicKeySet, SigningKeySet
from forging import ALGORITHMS, KEYS, NOW, PUBLIC, header, signed

if TYPE_CHECKING:
    from counterfoil.client import Algorithm

LATER = NOW + timedelta(days=1)
SHORT_OF = PUBLISH_AHEAD - timedelta(microseconds=1)

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def states(keys: SigningKeySet, algorithm: Algorithm = "ES256") -> dict[str, str]:
    lines = [
        key for key in keys.describe() if (key.algorithm, key.purpose) == (algorithm, "tokens")
    ]
    return {key.kid: key.state for key in lines}


def next_kid(keys: SigningKeySet, algorithm: Algorithm = "ES256") -> str:
    return next(kid for kid, state in states(keys, algorithm).items() if state == "next")


@every_algorithm
def test_a_new_set_has_one_active_and_one_next_key_of_each_algorithm(algorithm: Algorithm) -> None:
    """So any client can be given any algorithm, and every key is in the first key set published."""
    keys = SigningKeySet.generate(now=NOW)
    assert sorted(states(keys, algorithm).values()) == ["active", "next"]
    assert set(states(keys, algorithm)) <= {key.kid for key in keys.public()}


def test_a_kid_is_short_and_can_be_typed() -> None:
    """At most 11 of base64url's letters, and no dash first: it is an argument of commands."""
    for _ in range(3):
        for key in SigningKeySet.generate(now=NOW).keys:
            assert 0 < len(key.kid) <= 11
            assert key.kid.replace("-", "").replace("_", "").isalnum()
            assert not key.kid.startswith("-")


@every_algorithm
def test_rotation_moves_each_key_one_step(algorithm: Algorithm) -> None:
    """The next key signs, the active one stays published, and a new next is published."""
    old, following = KEYS.active(algorithm).kid, next_kid(KEYS, algorithm)
    rotated = KEYS.rotate(algorithm, now=NOW)
    assert rotated.active(algorithm).kid == following
    assert states(rotated, algorithm)[old] == "retiring"
    new = next_kid(rotated, algorithm)
    assert new not in states(KEYS, algorithm)
    assert {old, following, new} <= {key.kid for key in rotated.public()}
    others = set(ALGORITHMS) - {algorithm}
    assert all(states(rotated, other) == states(KEYS, other) for other in others)


def test_a_key_of_the_first_set_may_sign_at_once() -> None:
    """No verifier's copy can be older than the first set; even at the very moment of its birth."""
    assert states(KEYS.rotate("ES256", now=NOW))[next_kid(KEYS)] == "active"


def test_a_key_that_is_too_new_does_not_sign() -> None:
    """A second rotation waits until every copy of the key set has the new next key."""
    once = KEYS.rotate("ES256", now=NOW)
    for moment in (NOW, NOW + SHORT_OF):
        with pytest.raises(KeyTooNew) as refused:
            once.rotate("ES256", now=moment)
        assert refused.value.available_at == NOW + PUBLISH_AHEAD
    assert once.rotate("ES256", now=NOW + PUBLISH_AHEAD).active("ES256").kid == next_kid(once)


def test_an_active_key_that_is_distrusted_is_followed_at_once() -> None:
    """However young its successor is: a refused token is better than a forged one."""
    once = KEYS.rotate("ES256", now=NOW)
    active, following = once.active("ES256").kid, next_kid(once)
    after = once.distrust(active, now=NOW)
    assert after.active("ES256").kid == following
    assert after.public().get(active) is None
    assert states(after)[active] == "distrusted"
    assert states(after)[next_kid(after)] == "next"


def test_a_next_key_that_is_distrusted_is_replaced() -> None:
    """The new next has to wait like any other."""
    after = KEYS.distrust(next_kid(KEYS), now=LATER)
    assert after.active("ES256") == KEYS.active("ES256")
    assert after.public().get(next_kid(KEYS)) is None
    with pytest.raises(KeyTooNew):
        after.rotate("ES256", now=LATER + SHORT_OF)


def test_a_retiring_key_that_is_distrusted_leaves_the_public_set() -> None:
    """Its tokens are refused from then on; nothing else changes."""
    old = KEYS.active("ES256").kid
    rotated = KEYS.rotate("ES256", now=NOW)
    after = rotated.distrust(old, now=LATER)
    assert after.public().get(old) is None
    assert after.active("ES256") == rotated.active("ES256")
    assert len(after.keys) == len(rotated.keys)


def test_to_distrust_again_changes_nothing_and_shows_it() -> None:
    """The answer is the set itself, so a caller can say that nothing was done."""
    kid = KEYS.active("ES256").kid
    after = KEYS.distrust(kid, now=NOW)
    assert after is not KEYS
    assert after.distrust(kid, now=LATER) is after


def test_an_unknown_key_cannot_be_distrusted() -> None:
    """A typing error must not look like a done deed."""
    with pytest.raises(NotFound):
        KEYS.distrust("elsewhere", now=NOW)


def test_a_token_of_a_distrusted_key_is_of_an_unknown_key() -> None:
    """Signed before or after, honest or forged."""
    token = signed(header())
    assert PUBLIC.verify(token, purpose="tokens").payload == b"{}"
    after = KEYS.distrust(KEYS.active("ES256").kid, now=NOW)
    with pytest.raises(KeyUnknown):
        after.public().verify(token, purpose="tokens")


def test_a_token_outlives_the_rotation_of_its_key() -> None:
    """Rotation refuses nobody."""
    token = signed(header())
    after = KEYS.rotate("ES256", now=NOW).rotate("ES256", now=LATER)
    assert after.public().verify(token, purpose="tokens").payload == b"{}"


def test_a_retiring_key_is_swept_when_its_last_token_has_expired() -> None:
    """Neither before, nor is anything else ever swept."""
    keep = timedelta(minutes=6)
    old = KEYS.active("ES256").kid
    rotated = KEYS.rotate("ES256", now=NOW)
    assert rotated.swept(now=NOW + keep - timedelta(seconds=1), keep=keep) is rotated
    swept = rotated.swept(now=NOW + keep, keep=keep)
    assert swept.get(old) is None
    assert len(swept.keys) == len(rotated.keys) - 1
    distrusted = rotated.distrust(old, now=NOW)
    assert distrusted.swept(now=LATER, keep=keep) is distrusted


def test_the_active_key_of_an_unknown_kind_is_not_found() -> None:
    """A set for tokens has no keys for status until it is given some."""
    keys = SigningKeySet.generate(now=NOW)
    with pytest.raises(NotFound):
        keys.active("ES256", "status")
    both = keys.with_purpose("status", now=NOW)
    assert both.active("ES256", "status").purpose == "status"
    assert both.with_purpose("status", now=LATER) is both
    assert both.active("ES256") == keys.active("ES256")


def test_each_purpose_is_rotated_by_itself() -> None:
    """Another algorithm's or purpose's keys are not touched."""
    rotated = KEYS.rotate("ES256", now=NOW, purpose="status")
    assert rotated.active("ES256") == KEYS.active("ES256")
    assert rotated.active("ES256", "status") != KEYS.active("ES256", "status")


def test_a_set_must_be_complete() -> None:
    """None at all, two active, no next, two of one id: nothing that must be guessed about."""
    first = KEYS.keys[0]
    for keys in (
        (),
        KEYS.keys[1:],
        (*KEYS.keys, replace(first, kid="another")),
        (*KEYS.keys, replace(first, state="retiring")),
    ):
        with pytest.raises(ConfigurationError):
            SigningKeySet(keys)


def test_a_set_survives_being_written_down() -> None:
    """Every key, state and time; the same public set, and keys that still sign."""
    keys = KEYS.rotate("RS256", now=NOW).distrust(KEYS.active("EdDSA").kid, now=LATER)
    again = SigningKeySet.from_json(keys.to_json().encode())
    assert again.describe() == keys.describe()
    assert again.public() == keys.public()
    for algorithm in ALGORITHMS:
        signature = again.active(algorithm).material.signature(b"text")
        kid = keys.active(algorithm).kid
        published = keys.public().get(kid)
        assert published is not None
        assert published.material.verifies(b"text", signature)


def broken_files() -> list[bytes]:
    text = KEYS.to_json()
    content = json.loads(text)
    whole = content["keys"]
    variants: list[Any] = [
        {},
        {"format": 2, "keys": whole},
        {"format": 1, "keys": None},
        {"format": 1, "keys": [None]},
        {"format": 1, "keys": whole[1:]},
        *({"format": 1, "keys": [{**whole[0], **change}, *whole[1:]]} for change in CHANGES),
    ]
    return [b"", b"\0", text[:-20].encode(), *(json.dumps(each).encode() for each in variants)]


CHANGES: list[dict[str, Any]] = [
    {"kid": 7},
    {"state": "asleep"},
    {"purpose": "all"},
    {"algorithm": "RS256"},
    {"created_at": "2026-11-23T12:00:00"},
    {"created_at": "yesterday"},
    {"published_at": None},
    {"retired_at": 7},
    {"jwk": None},
    {"jwk": {}},
    {"jwk": KEYS.active("ES256").material.public().to_jwk()},
]


@pytest.mark.parametrize("known", [None, KEYS], ids=["first", "again"])
@pytest.mark.parametrize("data", broken_files(), ids=range(len(broken_files())))
def test_a_broken_file_is_refused_without_telling_what_is_in_it(
    data: bytes, known: SigningKeySet | None
) -> None:
    """Cut off, from another version, mistyped, or without the private half; also where the keys
    were known before."""
    with pytest.raises(ConfigurationError) as refused:
        SigningKeySet.from_json(data, known)
    assert KEYS.active("ES256").material.to_jwk()["d"] not in str(refused.value)


def test_a_key_that_is_known_is_not_examined_again_and_one_that_took_its_name_is() -> None:
    """The same key under the same kid is the one that there was; any other is read anew."""
    other = SigningKeySet.generate(now=NOW)
    content = json.loads(KEYS.to_json())
    content["keys"][0]["jwk"] = other.active(KEYS.keys[0].algorithm).material.to_jwk()
    again = SigningKeySet.from_json(json.dumps(content).encode(), KEYS)
    assert again.keys[0].material.to_jwk() == content["keys"][0]["jwk"]
    for old, new in zip(KEYS.keys[1:], again.keys[1:], strict=True):
        assert new.material is old.material


def test_nothing_that_people_see_holds_a_secret() -> None:
    """repr, the description and the published set have no private member in them."""
    shown = repr(KEYS) + repr(KEYS.describe()) + repr(PUBLIC) + json.dumps(PUBLIC.to_jwks())
    for key in KEYS.keys:
        private = key.material.to_jwk().keys() - key.material.public().to_jwk().keys()
        assert private >= {"d"}
        assert [name for name in private if key.material.to_jwk()[name] in shown] == []


def test_the_published_set_says_what_libraries_need() -> None:
    """Use and kid always, alg where all libraries take it: not for Ed25519, which has two names."""
    for jwk in PUBLIC.to_jwks()["keys"]:
        assert jwk["use"] == "sig"
        assert jwk["kid"]
        assert jwk.get("alg") == {"EC": "ES256", "RSA": "RS256", "OKP": None}[jwk["kty"]]


def test_the_published_set_is_read_as_it_was_written() -> None:
    """With each key's one algorithm and purpose, and under the same version."""
    again = PublicKeySet.from_jwks(json.loads(json.dumps(PUBLIC.to_jwks())))
    assert again == PUBLIC
    assert hash(again) == hash(PUBLIC)
    assert [(key.kid, key.algorithm, key.purpose) for key in again] == [
        (key.kid, key.algorithm, key.purpose) for key in PUBLIC
    ]


def test_the_version_differs_whenever_the_set_does() -> None:
    """What is cached under one version is not believed under another."""
    sets = [KEYS, KEYS.rotate("ES256", now=NOW), KEYS.distrust(KEYS.active("ES256").kid, now=NOW)]
    sets.append(SigningKeySet.generate(now=NOW))
    assert len({keys.public().version for keys in sets}) == len(sets)
    assert len({len(keys.public()) for keys in sets[:2]}) == 2
    assert PUBLIC.to_jwks() != PUBLIC


@pytest.mark.parametrize(
    "jwks",
    [
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": ["a"]},
        {"keys": [None]},
        {"keys": PUBLIC.to_jwks()["keys"][:1] * 2},
        {"keys": [{"kid": "a", "kty": "oct"}, {"kid": "a", "kty": "AKP"}]},
        {"keys": [{"kid": str(number)} for number in range(65)]},
        {"keys": [{**PUBLIC.to_jwks()["keys"][0], "d": "AAAA"}]},
        {"keys": [KEYS.active("RS256").material.to_jwk()]},
    ],
    ids=range(10),
)
def test_a_set_that_cannot_be_trusted_is_refused_whole(jwks: dict[str, Any]) -> None:
    """No list, two keys of one id, more keys than anyone publishes, or a published private key."""
    with pytest.raises(Malformed):
        PublicKeySet.from_jwks(jwks)


def test_keys_for_other_ends_are_passed_over() -> None:
    """Symmetric, encrypting, unknown and nameless keys are nobody's; ours are still there."""
    ours = PUBLIC.to_jwks()["keys"]
    foreign: list[dict[str, Any]] = [
        {"kty": "oct", "kid": "a", "k": "A" * 43},
        {"kty": "AKP", "kid": "b", "alg": "ML-DSA-65", "pub": "AAAA"},
        {**ours[0], "kid": "c", "use": "enc"},
        {**ours[0], "kid": "d", "alg": "ES384"},
        {**ours[0], "kid": "e", "counterfoil_purpose": "everything"},
        {**ours[0], "kid": "f", "counterfoil_purpose": ["tokens"]},
        {**ours[0], "kid": 7},
        {name: value for name, value in ours[0].items() if name != "kid"},
    ]
    assert PublicKeySet.from_jwks({"keys": [*foreign, *ours]}) == PUBLIC
