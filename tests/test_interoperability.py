"""Other people's libraries, given the issuer's URL, verify our tokens, and go on when keys change.

PyJWT, npm's jose and our own Verifier stand for the consumers. Each finds the keys by itself.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import jwt
import pytest

import npm
from counterfoil import BlockingCounterfoil, Client, MemoryStore, Verifier
from counterfoil.errors import CounterfoilError
from counterfoil.integrations.issuer import IssuerApp
from forging import ALGORITHMS
from serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from counterfoil.client import Algorithm
    from counterfoil.keys import SigningKeySet

HERE: Final = Path(__file__).resolve().parent
AUDIENCE: Final = "billing"
CLIENTS: Final = {
    algorithm: Client(
        client_id=algorithm.lower(), strategy="jwt", audience=AUDIENCE, algorithm=algorithm
    )
    for algorithm in ALGORITHMS
}

JOSE: Final = npm.Package(
    name="jose",
    version="6.2.18",
    digest=(
        "sha512-doV4thUwgkrycJH4yLeqwTGIIZphHl+pk7CPReuMIhYh"
        "ncmgzdko85MaCG4YQFTxqMFr1/oEH32tZuKKovcDEg=="
    ),
    main="dist/webapi/index.js",
)


class Found(NamedTuple):
    subject: str
    algorithm: str


class Refused(Exception):
    """A consumer does not take a token."""


Verify: TypeAlias = "Callable[[str], Found]"


@contextmanager
def pyjwt(issuer: str) -> Iterator[Verify]:
    """PyJWT's client, with its cache of 5 minutes and its cool-down of 30 s."""
    address = f"{issuer}/.well-known/oauth-authorization-server"
    with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 - of this test
        metadata = json.load(answer)
    assert metadata["issuer"] == issuer
    keys = jwt.PyJWKClient(metadata["jwks_uri"])
    names = list(ALGORITHMS)

    def verify(token: str) -> Found:
        try:
            key = keys.get_signing_key_from_jwt(token)
            found: dict[str, Any] = jwt.decode_complete(
                token, key, algorithms=names, audience=AUDIENCE, issuer=issuer
            )
        except jwt.PyJWTError as why:
            raise Refused from why
        return Found(found["payload"]["sub"], found["header"]["alg"])

    yield verify


@contextmanager
def npm_jose(issuer: str) -> Iterator[Verify]:
    """The jose of npm, with its cool-down of 30 s, in a process of its own."""
    library = JOSE.installed()
    command = ["node", str(HERE / "jose_verifier.mjs"), str(library), issuer, AUDIENCE]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        to_it, from_it = process.stdin, process.stdout
        assert to_it is not None
        assert from_it is not None

        def verify(token: str) -> Found:
            to_it.write(token + "\n")
            to_it.flush()
            answer = json.loads(from_it.readline())
            if "error" in answer:
                raise Refused(answer["error"])
            return Found(answer["sub"], answer["alg"])

        yield verify
        to_it.close()


@contextmanager
def ours(issuer: str) -> Iterator[Verify]:
    """The Verifier; it does not say the algorithm, so that is read off the token."""
    with Verifier(issuer=issuer, audience=AUDIENCE) as verifier:

        def verify(token: str) -> Found:
            try:
                subject = verifier.check(token).subject
            except CounterfoilError as why:
                raise Refused from why
            return Found(subject, jwt.get_unverified_header(token)["alg"])

        yield verify


@pytest.fixture(params=[pyjwt, npm_jose, ours], ids=lambda consumer: consumer.__name__)
def consumer(request: pytest.FixtureRequest) -> Any:
    return request.param


@contextmanager
def issuing() -> Iterator[BlockingCounterfoil]:
    engines: list[BlockingCounterfoil] = []

    def app(url: str) -> IssuerApp:
        auth = BlockingCounterfoil(issuer=url, store=MemoryStore(), clients=CLIENTS.values())
        engines.append(auth)
        return IssuerApp(auth)

    with serving(app):
        yield engines[0]
    engines[0].close()


def token_of(auth: BlockingCounterfoil, algorithm: Algorithm) -> str:
    opened = auth.open("user-17", client_id=algorithm.lower(), claims={"roles": ["admin"]})
    return opened.credential.token


def rotated(keys: SigningKeySet, *, algorithm: Algorithm) -> SigningKeySet:
    return keys.rotate(algorithm, now=datetime.now(UTC))


def test_every_algorithm_is_verified_by_everyone(consumer: Any) -> None:
    """From the issuer's URL to the metadata, to the keys, to a verified token; and a token that
    was changed is refused, so they do look."""
    with issuing() as auth, consumer(auth.issuer) as verify:
        for algorithm in ALGORITHMS:
            token = token_of(auth, algorithm)
            assert verify(token) == Found("user-17", algorithm)
            head, payload, signature = token.split(".")
            with pytest.raises(Refused):
                verify(f"{head}.{payload}.{signature[:-6]}AAAAAA")


def test_no_honest_token_is_refused_while_keys_change(consumer: Any) -> None:
    """The next key was published before it signs, so nobody's cache or cool-down refuses it."""
    with issuing() as auth, consumer(auth.issuer) as verify:

        def rotate_all() -> None:
            for algorithm in ALGORITHMS:
                time.sleep(0.1)
                auth.keys.update(partial(rotated, algorithm=algorithm))

        tokens = [token_of(auth, algorithm) for algorithm in ALGORITHMS]
        assert all(verify(token) for token in tokens)
        rotating = threading.Thread(target=rotate_all)
        rotating.start()
        rounds_after = 20
        while rounds_after:
            rounds_after -= not rotating.is_alive()
            for algorithm in ALGORITHMS:
                tokens.append(token_of(auth, algorithm))
                assert verify(tokens[-1]) == Found("user-17", algorithm)
        rotating.join()
        # What was signed before is good until it expires.
        assert all(verify(token) for token in tokens)
    kids = {jwt.get_unverified_header(token)["kid"] for token in tokens}
    assert len(kids) == 2 * len(ALGORITHMS)
