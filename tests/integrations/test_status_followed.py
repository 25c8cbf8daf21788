"""An issuer that is served, and verifiers that follow it: what is done there is refused here."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import jwt
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from counterfoil import BlockingCounterfoil, Client, Counterfoil, MemoryStore, Verifier
from counterfoil.errors import (
    ClaimsStale,
    CounterfoilError,
    IssuerUnavailable,
    KeyUnknown,
    SessionRevoked,
    StatusStale,
    SubjectSuspended,
)
from counterfoil.integrations.issuer import IssuerApp
from nodes import own_keys
from serving import serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil import Opened

SECOND: Final = timedelta(seconds=1)
API: Final = Client(client_id="api", strategy="hybrid", max_staleness=SECOND)
SLOW: Final = Client(client_id="slow", strategy="hybrid", max_staleness=60 * SECOND)
PARTNER: Final = Client(client_id="partner", strategy="jwt")
CLIENTS: Final = (API, replace(SLOW, audience="api"), replace(PARTNER, audience="api"))


@dataclass
class Site:
    """An engine of either kind, driven by plain calls, and the application that serves it."""

    auth: Counterfoil | BlockingCounterfoil
    app: Any

    def do(self, verb: str, *args: Any, **named: Any) -> Any:
        done = getattr(self.auth, verb)(*args, **named)
        return asyncio.run(done) if asyncio.iscoroutine(done) else done

    def open(self, subject: str = "ann", client_id: str = "api") -> Opened:
        opened: Opened = self.do("open", subject, client_id=client_id)
        return opened

    def distrust(self, opened: Opened) -> None:
        kid = Verifying.kid(opened)
        self.auth.keys.update(lambda keys: keys.distrust(kid, now=self.auth.clock.now()))


class Verifying:
    """What a verifier says of credentials."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier

    @staticmethod
    def kid(opened: Opened) -> str:
        kid: str = jwt.get_unverified_header(opened.credential.token)["kid"]
        return kid

    def says(self, opened: Opened) -> type[Exception] | None:
        try:
            found = self.verifier.check(opened.credential.token)
        except CounterfoilError as why:
            return type(why)
        assert found.session_id == opened.session.id
        return None

    def comes_to_say(self, opened: Opened, what: type[Exception] | None) -> None:
        until(lambda: self.says(opened) is what)


def made(kind: Any, path: str, url: str) -> Site:
    auth = kind(issuer=url + path, store=MemoryStore(), clients=CLIENTS, keys=own_keys())
    issuer = IssuerApp(auth)
    return Site(auth, Starlette(routes=[Mount(path, issuer)]) if path else issuer)


@contextmanager
def served(kind: Any = BlockingCounterfoil, path: str = "") -> Iterator[Site]:
    sites: list[Site] = []

    def app(url: str) -> Any:
        sites.append(made(kind, path, url))
        return sites[0].app

    with serving(app):
        yield sites[0]
    sites[0].do("close")


@pytest.fixture(
    scope="module",
    params=[(Counterfoil, ""), (BlockingCounterfoil, ""), (Counterfoil, "/auth")],
    ids=["async", "blocking", "below a path"],
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with served(*request.param) as found:
        yield found


@pytest.fixture(scope="module")
def here(site: Site) -> Iterator[Verifying]:
    with Verifier(issuer=site.auth.issuer, audience="api") as verifier:
        yield Verifying(verifier)


@pytest.mark.parametrize("client_id", ["api", "slow"])
def test_what_is_revoked_is_refused(site: Site, here: Verifying, client_id: str) -> None:
    """And nothing else is."""
    opened, other = site.open(client_id=client_id), site.open("ben", client_id)
    here.comes_to_say(opened, None)
    assert site.do("revoke", opened.session.id).count == 1
    here.comes_to_say(opened, SessionRevoked)
    assert here.says(other) is None


def test_what_is_verified_says_as_of_when(site: Site, here: Verifying) -> None:
    """Never later than what it rests on, nor earlier than the token itself."""
    opened = site.open()
    here.comes_to_say(opened, None)
    found = here.verifier.check(opened.credential.token)
    assert (found.strategy, found.subject, found.client_id) == ("hybrid", "ann", "api")
    until(lambda: here.verifier.check(opened.credential.token).as_of > found.as_of)


def test_who_is_suspended_is_refused_until_they_are_reinstated(site: Site, here: Verifying) -> None:
    """The same token passes again; what was revoked meanwhile stays so."""
    opened, ended = site.open("sue"), site.open("sue")
    here.comes_to_say(opened, None)
    site.do("suspend", "sue")
    here.comes_to_say(opened, SubjectSuspended)
    site.do("revoke", ended.session.id)
    here.comes_to_say(ended, SessionRevoked)
    site.do("reinstate", "sue")
    here.comes_to_say(opened, None)
    assert here.says(ended) is SessionRevoked


def test_changed_claims_are_refused_as_stale_and_a_refresh_brings_new_ones(
    site: Site, here: Verifying
) -> None:
    """Nobody is signed out by it."""
    opened = site.open("sam")
    here.comes_to_say(opened, None)
    site.do("claims_changed", "sam")
    here.comes_to_say(opened, ClaimsStale)
    renewed = site.do("refresh", opened.credential.refresh_handle)
    here.comes_to_say(renewed, None)
    assert here.says(opened) is ClaimsStale


def test_everything_of_somebody_ends_at_once(site: Site, here: Verifying) -> None:
    """All their devices, with one call; those of others go on."""
    devices, other = [site.open("eve") for _ in range(20)], site.open("ann")
    here.comes_to_say(devices[-1], None)
    assert site.do("revoke_all", "eve").count == 20
    here.comes_to_say(devices[-1], SessionRevoked)
    assert [here.says(each) for each in devices] == [SessionRevoked] * 20
    assert here.says(other) is None


@pytest.mark.parametrize("client_id", ["api", "partner"])
def test_a_distrusted_key_is_refused(client_id: str) -> None:
    """Within the bound, for tokens without a status too where there is a feed; and what the next
    key signs passes."""
    with served() as site, Verifier(issuer=site.auth.issuer, audience="api") as verifier:
        here, opened = Verifying(verifier), site.open(client_id=client_id)
        here.comes_to_say(opened, None)
        site.distrust(opened)
        here.comes_to_say(opened, KeyUnknown)
        renewed = site.open(client_id=client_id)
        assert Verifying.kid(renewed) != Verifying.kid(opened)
        here.comes_to_say(renewed, None)


def test_without_its_issuer_a_verifier_goes_on_for_max_staleness_and_then_cannot_know() -> None:
    """Each client's tokens for as long as that client has; it recovers by itself when the issuer is
    back, and then knows what was revoked meanwhile."""
    site = made(BlockingCounterfoil, "", "http://127.0.0.1:1")

    def app(url: str) -> Any:
        nonlocal site
        if urlsplit(site.auth.issuer).port == 1:
            site = made(BlockingCounterfoil, "", url)
        return site.app

    with serving(app) as url:
        verifier = Verifier(issuer=url, audience="api")
        verifier.__enter__()
        here = Verifying(verifier)
        opened, slow, plain = site.open(), site.open(client_id="slow"), site.open("b", "partner")
        for each in (opened, slow, plain):
            here.comes_to_say(each, None)
    assert here.says(opened) is None
    here.comes_to_say(opened, StatusStale)
    assert (here.says(slow), here.says(plain)) == (None, None)
    assert not verifier.knowledge.is_current
    with pytest.raises(IssuerUnavailable):
        verifier.confirm(plain.credential.token)
    site.do("revoke", slow.session.id)
    with serving(app, port=urlsplit(url).port or 0):
        here.comes_to_say(opened, None)
        here.comes_to_say(slow, SessionRevoked)
        verifier.close()
    site.do("close")


def test_a_verifier_that_tightens_its_bound_cannot_know_sooner() -> None:
    """Of the client that has a minute, and at that verifier alone."""
    with served() as site:
        issuer = site.auth.issuer
        with (
            Verifier(issuer=issuer, audience="api", max_staleness=SECOND) as strict,
            Verifier(issuer=issuer, audience="api") as lenient,
        ):
            opened = site.open(client_id="slow")
            Verifying(strict).comes_to_say(opened, None)
            Verifying(lenient).comes_to_say(opened, None)
            strict.close()
            lenient.close()
            strict._carrier.ensure = lenient._carrier.ensure = lambda: None  # type: ignore[method-assign]  # noqa: SLF001 - cut off
            Verifying(strict).comes_to_say(opened, StatusStale)
            assert Verifying(lenient).says(opened) is None


def test_several_verifiers_hear_of_it_together() -> None:
    """And the issuer reads once for all of them."""
    with served() as site:
        verifiers = [Verifier(issuer=site.auth.issuer, audience="api") for _ in range(8)]
        for verifier in verifiers:
            verifier.__enter__()
        opened = site.open()
        for verifier in verifiers:
            Verifying(verifier).comes_to_say(opened, None)
        site.do("revoke", opened.session.id)
        for verifier in verifiers:
            Verifying(verifier).comes_to_say(opened, SessionRevoked)
            verifier.close()
