"""Secrets of clients: two at most, kept as digests alone, compared in constant time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from counterfoil.drive import drive
from counterfoil.errors import ClientRefused, Malformed
from counterfoil.server.tables.client_secrets import ClientSecrets
from counterfoil.testing.records import ANY_TEXTS

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def secrets(tables: Any) -> ClientSecrets:
    return ClientSecrets(tables.rows)


def add(secrets: ClientSecrets, client_id: str = "api", *, hours: int = 0) -> str:
    return drive(secrets.add(client_id, at=AT + timedelta(hours=hours)))


def is_good(secrets: ClientSecrets, secret: str, client_id: str = "api") -> bool:
    try:
        drive(secrets.require(client_id, secret))
    except ClientRefused:
        return False
    return True


def test_a_secret_is_256_random_bits_that_scanners_recognise(secrets: ClientSecrets) -> None:
    """Nothing in it needs encoding, in a header or in a form."""
    made = {add(secrets, f"client{number}") for number in range(20)}
    assert len(made) == 20
    assert all(re.fullmatch(r"cfs_[A-Za-z0-9_-]{43}", each) for each in made)


def test_it_is_good_for_its_own_client_and_as_it_was_given(secrets: ClientSecrets) -> None:
    """Not nearly so."""
    secret = add(secrets)
    assert is_good(secrets, secret)
    for wrong in (secret[:-1], secret + "A", secret.lower(), "", "cfs_", "\ud800"):
        assert not is_good(secrets, wrong)
    assert not is_good(secrets, secret, "partner")


def test_what_no_client_can_be_called_has_no_secret(secrets: ClientSecrets) -> None:
    """Whatever the database can hold."""
    secret = add(secrets)
    assert not any(is_good(secrets, secret, text) for text in ANY_TEXTS)


def test_there_are_two_at_most(secrets: ClientSecrets) -> None:
    """One more would be one that nobody remembers."""
    both = [add(secrets), add(secrets, hours=1)]
    with pytest.raises(Malformed, match="revoke the former one first"):
        add(secrets)
    assert all(is_good(secrets, each) for each in both)
    assert add(secrets, "partner")


def test_the_former_is_revoked_or_all_are(secrets: ClientSecrets) -> None:
    """Revoking the former where there is one alone ends nothing."""
    former, current = add(secrets), add(secrets, hours=1)
    assert drive(secrets.revoke("api", newest=False)) == 1
    assert (is_good(secrets, former), is_good(secrets, current)) == (False, True)
    assert drive(secrets.revoke("api", newest=False)) == 0
    assert drive(secrets.revoke("api", newest=True)) == 1
    assert not is_good(secrets, current)


def test_when_they_were_made_is_all_that_is_told(secrets: ClientSecrets) -> None:
    """Oldest first."""
    add(secrets, hours=1)
    add(secrets)
    assert drive(secrets.made_at()) == {"api": [AT, AT + timedelta(hours=1)]}
