"""Checks of credentials within a process: of a session, of a new token, of one seen before."""

from __future__ import annotations

import asyncio
import sqlite3
import warnings
from base64 import urlsafe_b64decode
from contextlib import closing, contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt as jose
from joserfc.jwk import KeySet

from bench.engines import AUDIENCE, ISSUER, jwk_of, on_disk, published
from bench.measuring import Case, Contender, awaits, calls
from counterfoil import (
    BlockingCounterfoil,
    Counterfoil,
    HybridStrategy,
    JwtStrategy,
    SessionStrategy,
    Verifier,
)
from counterfoil.stores.memory import MemoryKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from counterfoil.client import Algorithm

ROW: Final = "SELECT * FROM cf_sessions WHERE id = ?"
POOL: Final = 256  # tokens that are made before; each is new to whoever checks it in a round


@contextmanager
def session(place: Path) -> Iterator[Case]:
    strategy = SessionStrategy()
    with on_disk(place, strategy=strategy) as (auth, runner):
        opened = runner.run(auth.open("ann"))
        handle, key = opened.credential.token, (opened.session.id,)
        blocking = BlockingCounterfoil(issuer=ISSUER, store=auth.store, strategy=strategy)
        with closing(sqlite3.connect(place / "app.db")) as raw:
            yield Case(
                "a session in SQLite, checked",
                (
                    Contender(
                        "SELECT of its row (floor)", calls(lambda: raw.execute(ROW, key).fetchone())
                    ),
                    Contender(
                        "Counterfoil.check, awaited", awaits(runner, lambda: auth.check(handle))
                    ),
                    Contender("BlockingCounterfoil.check", calls(lambda: blocking.check(handle))),
                ),
            )


def new_token(algorithm: Algorithm) -> Callable[[Path], Any]:
    """The case of this algorithm."""

    @contextmanager
    def case(_: Path) -> Iterator[Case]:
        strategy = JwtStrategy(audience=AUDIENCE, algorithm=algorithm)
        with (
            published(MemoryKeys()) as (issuer, keys),
            asyncio.Runner() as runner,
            warnings.catch_warnings(),
        ):
            # joserfc says it of every token; who runs it for long does the same.
            warnings.filterwarnings("ignore", "EdDSA is deprecated")

            def engine() -> Counterfoil:
                return Counterfoil(issuer=issuer, strategy=strategy, keys=keys)

            tokens = runner.run(_opened(engine(), POOL))
            jwk = jwk_of(tokens[0], keys)
            peers = _whole(algorithm, jwk, issuer, tokens, engine)
            told = f"an {algorithm} token, checked for the first time"
            yield Case(told, (_bare(algorithm, jwk, tokens), *peers))

    return case


@contextmanager
def known_token(place: Path) -> Iterator[Case]:
    with (
        published(MemoryKeys()) as (issuer, keys),
        on_disk(place, issuer=issuer, keys=keys, strategy=HybridStrategy(audience=AUDIENCE)) as (
            hybrid,
            runner,
        ),
        Verifier(issuer=issuer, audience=AUDIENCE) as verifier,
    ):
        plain = Counterfoil(issuer=issuer, strategy=JwtStrategy(audience=AUDIENCE), keys=keys)
        [revocable], [token] = runner.run(_opened(hybrid, 1)), runner.run(_opened(plain, 1))
        known, key = {token: object()}, jwt.PyJWK.from_dict(jwk_of(token, keys))
        works: dict[str, Callable[[], object]] = {
            "look-up in a dict (floor)": lambda: known.get(token),
            "engine check_token, hybrid": lambda: hybrid.check_token(revocable),
            "engine check_token, jwt": lambda: plain.check_token(token),
            "Verifier.check, jwt": lambda: verifier.check(token),
            "PyJWT decode": lambda: _pyjwt(token, key, "ES256", issuer),
        }
        told = [Contender(name, calls(work)) for name, work in works.items()]
        yield Case("an ES256 token, checked again", told)


def _bare(algorithm: Algorithm, jwk: dict[str, str], tokens: Sequence[str]) -> Contender:
    """The signature alone, over bytes that are cut and decoded before."""
    key: Any = jwt.PyJWK.from_dict(jwk, algorithm).key
    signed = [_cut(token, algorithm) for token in tokens]

    def verify(message: bytes, signature: bytes) -> None:
        if algorithm == "ES256":
            key.verify(signature, message, ec.ECDSA(SHA256()))
        elif algorithm == "RS256":
            key.verify(signature, message, padding.PKCS1v15(), SHA256())
        else:
            key.verify(signature, message)

    def measure(times: int) -> float:
        began = perf_counter()
        for message, signature in signed[:times]:
            verify(message, signature)
        return perf_counter() - began

    return Contender("cryptography verify (floor)", measure, most=POOL)


def _whole(
    algorithm: Algorithm,
    jwk: dict[str, str],
    issuer: str,
    tokens: Sequence[str],
    engine: Callable[[], Counterfoil],
) -> Iterator[Contender]:
    """Signature, type or issuer, audience and time. Whoever remembers tokens begins anew."""
    material = jwt.PyJWK.from_dict(jwk, algorithm)
    key_set = KeySet.import_key_set({"keys": [jwk]})  # type: ignore[list-item] # a JWK is a mapping there
    rules = jose.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer}, aud={"essential": True, "value": AUDIENCE}
    )
    name = "Ed25519" if algorithm == "EdDSA" else algorithm

    def by_joserfc(token: str) -> None:
        rules.validate(jose.decode(token, key_set, algorithms=[algorithm, name]).claims)

    def over_all(check: Callable[[str], object], times: int) -> float:
        began = perf_counter()
        for token in tokens[:times]:
            check(token)
        return perf_counter() - began

    def by_verifier(times: int) -> float:
        with Verifier(issuer=issuer, audience=AUDIENCE) as verifier:
            return over_all(verifier.check, times)

    yield Contender(
        "engine check_token", lambda times: over_all(engine().check_token, times), most=POOL
    )
    yield Contender("Verifier.check", by_verifier, most=POOL)
    yield Contender(
        "PyJWT decode",
        lambda times: over_all(lambda token: _pyjwt(token, material, algorithm, issuer), times),
        most=POOL,
    )
    yield Contender(
        "joserfc decode, validate", lambda times: over_all(by_joserfc, times), most=POOL
    )


def _pyjwt(token: str, key: jwt.PyJWK, algorithm: str, issuer: str) -> dict[str, Any]:
    return jwt.decode(token, key, algorithms=[algorithm], audience=AUDIENCE, issuer=issuer)


async def _opened(auth: Counterfoil, count: int) -> list[str]:
    return [(await auth.open(f"user-{number}")).credential.token for number in range(count)]


def _cut(token: str, algorithm: Algorithm) -> tuple[bytes, bytes]:
    signed, _, text = token.rpartition(".")
    signature = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if algorithm == "ES256":  # two numbers in JWS, a structure in cryptography
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        signature = encode_dss_signature(r, s)
    return signed.encode(), signature
