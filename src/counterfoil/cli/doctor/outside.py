"""An issuer as others see it: over HTTP, through whatever stands in front of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from counterfoil.cli.doctor.exchange import Answer, NoAnswer, get
from counterfoil.cli.doctor.finding import Finding, ok, unseen, warning, wrong
from counterfoil.errors import AuthError, ConfigurationError
from counterfoil.integrations.issuer import JWKS, METADATA
from counterfoil.issuer_url import require_issuer
from counterfoil.keys import PublicKeySet

# A key is published 15 minutes before it signs, and verifiers fetch every 5.
LONGEST_CACHED: Final = 600
_LEAVE_IT: Final = "Let what stands in front pass it on as it is."
_MAX_AGE: Final = re.compile(r"max-age=(\d+)")


def findings(
    issuer: str, *, own: PublicKeySet | None = None, must_answer: bool
) -> Iterator[Finding]:
    """own: the keys of a data folder, which these should be. must_answer: whether silence is
    wrong, or may be because of where this is run."""
    try:
        require_issuer(issuer)
    except ConfigurationError as why:
        yield wrong("issuer", f"{issuer} is no issuer's URL.", str(why))
        return
    yield ok("issuer", f"The issuer is {issuer}.")
    try:
        published = get(issuer + JWKS)
    except NoAnswer as why:
        says, mend = f"{issuer} does not answer: {why}.", "Start the server, or look at the way."
        yield (wrong if must_answer else warning)("issuer-answers", says, mend)
        return
    yield ok("issuer-answers", "It answers.")
    yield from _keys(published, own)
    yield from _cached(published)
    yield from _headers(published, is_secure=issuer.startswith("https://"))
    try:
        yield _metadata(issuer, get(_metadata_url(issuer)))
        yield from _refusals(issuer)
    except NoAnswer as why:
        yield wrong("issuer-answers", f"It does not always answer: {why}.", "Look at its log.")


def _keys(published: Answer, own: PublicKeySet | None) -> Iterator[Finding]:
    if published.status != HTTPStatus.OK:
        says = f"{JWKS} answers {published.status}: nobody can check its tokens."
        yield wrong("issuer-keys", says, _LEAVE_IT)
        return
    try:
        keys = PublicKeySet.from_jwks(published.members)
    except AuthError as why:
        yield wrong("issuer-keys", f"{JWKS} cannot be used: {why.detail}", _LEAVE_IT)
        return
    signing = [f"{key.kid} ({key.algorithm})" for key in keys if key.purpose == "tokens"]
    if not signing:
        yield wrong("issuer-keys", f"{JWKS} holds no key for tokens.", _LEAVE_IT)
        return
    yield ok("issuer-keys", f"It publishes {', '.join(signing)}.")
    if own is None:
        return
    if keys == own:
        yield ok("issuer-same-keys", "They are those of the data folder.")
    else:
        yield wrong(
            "issuer-same-keys",
            "They are not those of the data folder: its tokens are refused.",
            "Look whether the URL leads to a server on this folder, or a cache answers for it.",
        )


def _cached(published: Answer) -> Iterator[Finding]:
    control = published.says("cache-control")
    found = _MAX_AGE.search(control)
    age = published.says("age")
    if found is None and "no-" not in control:
        yield warning(
            "issuer-cache",
            "Its keys are published without Cache-Control: caches keep them as long as they like.",
            _LEAVE_IT,
        )
    elif (found and int(found[1]) > LONGEST_CACHED) or (
        age.isdigit() and int(age) > LONGEST_CACHED
    ):
        yield wrong(
            "issuer-cache",
            f"Its keys may be cached for longer than {LONGEST_CACHED} s: after a rotation verifiers"
            " would refuse good tokens.",
            _LEAVE_IT,
        )
    else:
        yield ok("issuer-cache", f"Its keys are cached as they should be: {control}.")


def _headers(published: Answer, *, is_secure: bool) -> Iterator[Finding]:
    if published.says("x-content-type-options") != "nosniff":
        says = "X-Content-Type-Options: nosniff is lost on the way."
        yield warning("issuer-headers", says, _LEAVE_IT)
    if is_secure and not published.says("strict-transport-security"):
        yield warning(
            "issuer-transport",
            "It sends no Strict-Transport-Security: a first visit may be over http.",
            "Let what ends TLS send Strict-Transport-Security: max-age=31536000.",
        )
    if re.search(r"\d", published.says("server")):
        says = f"It tells the version of what answers: {published.says('server')}."
        yield warning("issuer-headers", says, "Turn that off (in nginx: server_tokens off).")


def _metadata(issuer: str, answer: Answer) -> Finding:
    """RFC 8414 §3.3: whoever reads it must refuse it unless `issuer` is what they asked for."""
    told = answer.members
    if answer.status != HTTPStatus.OK or not told:
        says = f"{METADATA} answers {answer.status}: OAuth libraries cannot find the keys."
        return warning("issuer-metadata", says, _LEAVE_IT)
    if told.get("issuer") != issuer or told.get("jwks_uri") != issuer + JWKS:
        return wrong(
            "issuer-metadata",
            f"It calls itself {told.get('issuer')}, not {issuer}: verifiers refuse its tokens.",
            "Set issuer to what users see, or ask for it under that name.",
        )
    return ok("issuer-metadata", "Its metadata name this issuer and these keys.")


def _metadata_url(issuer: str) -> str:
    """The path goes behind the well-known one (RFC 8414 §3.1)."""
    parts = urlsplit(issuer)
    return parts._replace(path=METADATA + parts.path).geturl()


def _refusals(issuer: str) -> Iterator[Finding]:
    """Who asks without a credential is refused in a way that must arrive; who has one must be
    able to show it."""
    url = f"{issuer}/v1/session"
    bare = get(url)
    if bare.status == HTTPStatus.NOT_FOUND:
        yield unseen("issuer-refusals", f"Refusals: {issuer} has no /v1/session.")
        return
    whole = bare.status == HTTPStatus.UNAUTHORIZED and bare.members.get("code")
    if not whole or not bare.says("www-authenticate"):
        yield wrong(
            "issuer-refusals",
            f"A call without credential is answered {bare.status}, without the code or the header"
            " that clients go by.",
            "Let what stands in front pass on 401 and its body, and put no page in its place.",
        )
        return
    if "no-store" not in bare.says("cache-control"):
        says = "Cache-Control: no-store is lost on the way: answers to one may reach another."
        yield wrong("issuer-refusals", says, _LEAVE_IT)
        return
    yield ok("issuer-refusals", "Refusals arrive whole.")
    shown = get(url, Authorization="Bearer counterfoil-doctor")
    if shown.members.get("code") == bare.members["code"] == "credential_missing":
        says = "The header Authorization is lost on the way: no bearer client can sign in."
        yield wrong("issuer-authorization", says, _LEAVE_IT)
    else:
        yield ok("issuer-authorization", "The header Authorization arrives.")
