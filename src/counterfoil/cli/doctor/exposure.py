"""What is meant for development, and is open to everybody; and what the proxy in front needs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from counterfoil.cli.doctor.configured import Setup
from counterfoil.cli.doctor.finding import Finding, ok, unseen, warning, wrong
from counterfoil.server.passwords import argon2id
from counterfoil.server.passwords.hashing import normalised
from counterfoil.server.serving import DEMO


def findings(setup: Setup, connection: sqlite3.Connection) -> Iterator[Finding]:
    yield from _development(setup)
    yield from _demo_account(setup, connection)
    yield from _registration(setup)
    yield from _proxies(setup)


def _development(setup: Setup) -> Iterator[Finding]:
    if setup.told("dev") and setup.is_public:
        yield wrong(
            "development",
            f"A development server answers for {setup.issuer}.",
            "Serve without --dev: it opens registration and has a demo administrator.",
        )


def _demo_account(setup: Setup, connection: sqlite3.Connection) -> Iterator[Finding]:
    """Whether the demo account still has the password that lies in the folder."""
    place = setup.data / "demo-password"
    try:
        password = place.read_text("utf-8").strip()
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        yield unseen("demo-password", "Whether the demo account has its first password.")
        return
    sql = "SELECT password FROM accounts WHERE canonical = ?"
    row = connection.execute(sql, (DEMO,)).fetchone()
    if row is None or not argon2id.matches(row[0], normalised(password)):
        yield warning(
            "demo-password",
            "demo-password holds a password that is no longer one.",
            f"Delete {place}.",
        )
        return
    says = "The demo account signs in with the password that lies in the data folder."
    if setup.is_public:
        mend = f"Run counterfoil accounts set-password demo --generate, and delete {place}."
        yield wrong("demo-password", says, mend)
    else:
        yield warning("demo-password", says, "Leave it so in development only.")


def _registration(setup: Setup) -> Iterator[Finding]:
    if (is_open := setup.told("registration_is_open")) is None:
        yield unseen("registration", "Whether registration is open.")
    elif is_open and setup.is_public:
        yield warning(
            "registration",
            "Anybody may register.",
            "Set registration = closed, unless that is meant.",
        )
    else:
        yield ok("registration", f"Registration is {'open' if is_open else 'closed'}.")


def _proxies(setup: Setup) -> Iterator[Finding]:
    """An https issuer means a proxy: the server itself speaks no TLS."""
    trusted = setup.told("trusted_proxies")
    if not setup.issuer.startswith("https://"):
        return
    if trusted is None:
        yield unseen("trusted-proxies", "Which proxies are trusted.")
    elif not trusted:
        yield warning(
            "trusted-proxies",
            "No proxy is trusted, and one stands in front, for the issuer is https: everybody"
            " seems to have its address, and one who guesses passwords slows all others.",
            "Name it, such as --trusted-proxy 127.0.0.1, and let it set X-Forwarded-For.",
        )
    else:
        yield ok("trusted-proxies", f"Trusted proxies: {', '.join(trusted)}.")
