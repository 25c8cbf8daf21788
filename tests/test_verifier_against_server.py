"""A verifier of the real server in a process of its own: who passes, who not, and for how long."""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import jwt
import pytest

import live
from counterfoil import Verifier
from counterfoil.errors import (
    CredentialExpired,
    IssuerUnavailable,
    KeysStale,
    KeyUnknown,
    SessionRevoked,
    WrongAudience,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SOON = timedelta(seconds=3)  # keys are fetched anew every third of it


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    with live.process(tmp_path_factory.mktemp("issuer") / "data") as (site, _):
        yield site


def test_a_token_of_another_audience_is_refused(site: live.Site) -> None:
    """By `check` and by `confirm`, which does not even ask."""
    token = site.person().sign_in("rsa").token
    with Verifier(issuer=site.url, audience="partner", typ="JWT") as verifier:
        for decide in (verifier.check, verifier.confirm):
            with pytest.raises(WrongAudience):
                decide(token)
    with Verifier(issuer=site.url, audience="rsa", typ="JWT") as verifier:
        assert verifier.check(token).client_id == "rsa"


def test_a_token_is_refused_from_its_last_second_on(site: live.Site) -> None:
    """As the token says, and not a moment later."""
    person = site.person()
    with Verifier(issuer=site.url, audience="hasty") as verifier:
        device, until = person.sign_in("hasty"), None
        while until is None:  # it may have been signed just before its second was over
            with contextlib.suppress(CredentialExpired):
                until = verifier.check(device.token).expires_at
                break
            device = person.sign_in("hasty")
        while time.time() < until.timestamp():
            verifier_says(verifier, device.token, until.timestamp())
        with pytest.raises(CredentialExpired):
            verifier.check(device.token)


def verifier_says(verifier: Verifier, token: str, until: float) -> None:
    try:
        verifier.check(token)
    except CredentialExpired:
        assert time.time() >= until
    time.sleep(0.02)


@pytest.mark.parametrize("client_id", ["api", "partner", "phone"])
def test_confirm_sees_a_revocation_at_once(site: live.Site, client_id: str) -> None:
    """Whatever the strategy, and without a secret."""
    person = site.person()
    device = person.sign_in(client_id)
    with Verifier(issuer=site.url, audience=client_id) as verifier:
        confirmed = verifier.confirm(device.token)
        assert (confirmed.subject, confirmed.strategy) == (
            person.subject,
            device.opened["session"]["strategy"],
        )
        # A token says in whole seconds when somebody proved who they are.
        assert abs(confirmed.auth_time.timestamp() - time.time()) < 60
        device.sign_out()
        with pytest.raises(SessionRevoked):
            verifier.confirm(device.token)


def test_a_distrusted_key_is_refused_after_a_refetch(site: live.Site) -> None:
    """Also a token that was accepted before; one that the next key signs is accepted."""
    device, admin = site.person().sign_in("partner"), site.administrator()
    with Verifier(issuer=site.url, audience="partner", keys_max_age=SOON) as verifier:
        assert verifier.check(device.token)
        kid = jwt.get_unverified_header(device.token)["kid"]
        distrusted = admin.call("POST", f"/v1/admin/keys/{kid}/distrust")
        assert distrusted.status == 200
        began = time.monotonic()
        live.until(lambda: refuses(verifier, device.token))
        assert time.monotonic() - began < SOON.total_seconds()
        with pytest.raises(KeyUnknown):
            verifier.confirm(device.token)
        device.refresh()
        assert verifier.check(device.token).client_id == "partner"


def refuses(verifier: Verifier, token: str) -> bool:
    try:
        verifier.check(token)
    except KeyUnknown:
        return True
    return False


def test_with_the_issuer_gone_it_goes_on_for_keys_max_age_and_then_cannot_know(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """503 for every token, good or bad; `confirm` cannot know at once."""
    folder = tmp_path_factory.mktemp("gone") / "data"
    with live.process(folder) as (site, running):
        device = site.person().sign_in("partner")
        with Verifier(issuer=site.url, audience="partner", keys_max_age=SOON) as verifier:
            running.kill()
            running.wait()
            killed = time.monotonic()
            assert verifier.check(device.token)
            with pytest.raises(IssuerUnavailable):
                verifier.confirm(device.token)
            live.until(lambda: is_stale(verifier, device.token))
            assert time.monotonic() - killed <= SOON.total_seconds() + 0.5
            with pytest.raises(KeysStale):
                verifier.check("a.b.c")


def is_stale(verifier: Verifier, token: str) -> bool:
    try:
        verifier.check(token)
    except KeysStale:
        return True
    return False
