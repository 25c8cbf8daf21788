"""The data folder of a server, opened beside it: what the commands work on."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from counterfoil.cli.interruptions import run
from counterfoil.clock import Clock
from counterfoil.engine import Counterfoil
from counterfoil.errors import ConfigurationError, Malformed, NotFound, StoreUnavailable
from counterfoil.server.accounts import Accounts, canonicalised
from counterfoil.server.client_changes import ClientChanges
from counterfoil.server.composition import compose
from counterfoil.server.settings import PREFIX, Settings, load
from counterfoil.server.storing import address_of, sessions_address_of
from counterfoil.server.tables.accounts import Account
from counterfoil.server.tables.client_secrets import ClientSecrets
from counterfoil.server.tables.clients import ClientRows
from counterfoil.server.tables.verifiers import VerifierRows

NOTE: Final = "served.json"
SPANS: Final = ("access_lifetime", "idle", "absolute", "grace", "max_staleness")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DataFolder:
    """An open data folder: the engine, the accounts, the registered clients, who follows them."""

    settings: Settings
    auth: Counterfoil
    accounts: Accounts
    clients: ClientRows
    client_secrets: ClientSecrets
    verifiers: VerifierRows
    clock: Clock
    close: Callable[[], Coroutine[Any, Any, None]]

    @property
    def client_changes(self) -> ClientChanges:
        return ClientChanges(self.auth, self.clients, self.client_secrets)

    async def account(self, who: str) -> Account:
        """The account of an identifier or a subject. Raises `NotFound`, and `Malformed` where the
        text is one account's subject and another's identifier: people choose their identifiers."""
        rows = self.accounts.rows
        of_subject = await rows.by_subject(who)
        named = await rows.by_canonical(canonicalised(who))
        if of_subject and named and of_subject.subject != named.subject:
            raise Malformed(
                "This is the subject of one account and the identifier of another; name the one"
                " you mean by its other name."
            )
        found = of_subject or named
        if found is None:
            raise NotFound("There is no account of this identifier or subject.")
        return found


def at(place: Path | None, work: Callable[[DataFolder], Coroutine[Any, Any, T]]) -> T:
    """What `work` makes of the data folder. Raises `ConfigurationError` where there is none;
    nothing is created then."""
    settings = existing(place)

    async def main() -> T:
        folder = await _open(settings)
        try:
            return await work(folder)
        finally:
            await folder.close()

    return run(main)


def existing(place: Path | None) -> Settings:
    """The settings for a data folder that is there, as it was last served. Raises
    `ConfigurationError`."""
    settings = load({"data": place})
    if not settings.sessions_address and _noted(settings, "sessions_are_apart"):
        raise ConfigurationError(
            f"Set {PREFIX}SESSIONS or {PREFIX}SESSIONS_FILE as for the server: the sessions of"
            f" {settings.data} are kept elsewhere."
        )
    if address_of(settings):
        return _as_served(settings)
    try:
        if settings.database.is_file():
            return _as_served(settings)
    except OSError as why:
        raise ConfigurationError(f"Make {settings.data} readable: {why.strerror}.") from None
    if _noted(settings, "is_shared"):
        raise ConfigurationError(
            f"Set {PREFIX}STORE or {PREFIX}STORE_FILE as for the server: what {settings.data} is"
            " served from is kept elsewhere."
        )
    raise ConfigurationError(
        f"There is no Counterfoil data in {settings.data}; start"
        f" `counterfoil serve --data {settings.data}` or name another folder with --data."
    )


def require_file(settings: Settings) -> None:
    """Raises `ConfigurationError` where the database is no file that could be copied."""
    if settings.database.exists() and _are_apart(settings):
        raise ConfigurationError(
            "Copy the database and what is in Redis by their own tools; once a copy of either was"
            " put back, run `counterfoil restore --declare`."
        )
    if address_of(settings):
        raise ConfigurationError(
            "Copy a shared database by its own tools, such as pg_dump; once a copy was put back,"
            " run `counterfoil restore --declare`."
        )


def _are_apart(settings: Settings) -> bool:
    try:
        return bool(sessions_address_of(settings))
    except StoreUnavailable:  # one that cannot be read is restored whatever it says
        return False


def require_owner(data: Path) -> None:
    """What is written in it must belong to whoever serves it: the server could not read what is
    root's. Raises `ConfigurationError`."""
    owner = data.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        name = pwd.getpwuid(owner).pw_name if _is_named(owner) else f"#{owner}"
        raise ConfigurationError(f"Run this as {name}, who owns {data}: sudo -u {name} counterfoil")


def remember(settings: Settings, issuer: str) -> None:
    """Notes how the data folder is served: a command beside it is not given the server's flags,
    and must name the same issuer and promise by the same lifetimes."""
    life = settings.lifetime
    values = (life.access, life.idle, life.absolute, life.grace, settings.max_staleness)
    spans = {name: span.total_seconds() for name, span in zip(SPANS, values, strict=True)}
    exposed = {  # for `counterfoil doctor`
        "dev": settings.dev,
        "host": settings.host,
        "port": settings.port,
        "registration_is_open": settings.registration_is_open,
        "trusted_proxies": list(settings.trusted_proxies),
        "is_shared": bool(address_of(settings)),
        "sessions_are_apart": bool(settings.sessions_address),
    }
    note = settings.data / NOTE
    # By renaming: a command reads the old note or the new one.
    written = note.with_suffix(".new")
    text = json.dumps({"issuer": issuer, **spans, **exposed}, indent=1)
    written.write_text(text, encoding="utf-8")
    written.replace(note)


def _noted(settings: Settings, what: str) -> bool:
    try:
        return bool(json.loads((settings.data / NOTE).read_bytes()).get(what))
    except (OSError, ValueError, AttributeError):
        return False


def _is_named(uid: int) -> bool:
    return any(entry.pw_uid == uid for entry in pwd.getpwall())


def _as_served(settings: Settings) -> Settings:
    """These settings as the server runs with them; themselves where it has never run."""
    place = settings.data / NOTE
    try:
        noted = json.loads(place.read_bytes())
        spans = {name: timedelta(seconds=noted[name]) for name in SPANS}
        return settings.model_copy(update={"issuer": str(noted["issuer"]), **spans})
    except FileNotFoundError:
        return settings
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigurationError(
            f"Make {place} readable, or start the server again to write it anew."
        ) from None


async def _open(settings: Settings) -> DataFolder:
    server = await compose(settings)
    return DataFolder(
        settings,
        server.auth,
        server.accounts,
        server.client_rows,
        server.client_secrets,
        VerifierRows(server.store.rows, server.auth.store),
        server.auth.clock,
        server.close,
    )


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """While nobody else restores or moves what is there. Raises `ConfigurationError` where somebody
    does: neither would know what the other one has done."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigurationError(
            f"Wait: another restore or move of {folder} is under way."
        ) from None
    finally:
        os.close(descriptor)
