"""Signing keys and K: whole, private, and enough for the clients that there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from counterfoil.cli.doctor.finding import Finding, ok, warning, wrong
from counterfoil.client import Client
from counterfoil.errors import CounterfoilError, NotFound
from counterfoil.keys import PublicKeySet, SigningKeySet
from counterfoil.stores.key_files import KeyFiles


def findings(data: Path, *, in_use: bool, clients: Iterable[Client]) -> Iterator[Finding]:
    """in_use: whether a session was ever opened, so that keys must be there."""
    folder = data / "keys"
    for identity, name, what in (
        ("signing-keys", "signing-keys.json", "the signing keys"),
        ("handle-secrets", "handle-secrets.json", "the handle secrets (K)"),
    ):
        try:
            if not (folder / name).exists():
                yield _absent(identity, folder / name, what, in_use=in_use)
                continue
            read = KeyFiles(folder)
            found = read.signing_keys() if identity == "signing-keys" else read.handle_secrets()
        except CounterfoilError as why:
            yield wrong(identity, f"A server cannot use {what}.", why.detail or str(why))
            continue
        except OSError as why:
            yield wrong(
                identity, f"{what} cannot be read.", f"Make {folder} readable: {why.strerror}."
            )
            continue
        yield ok(identity, f"A server can use {what}; nobody else can read {name}.")
        if isinstance(found, SigningKeySet):
            yield from enough(found, clients)


def published(data: Path) -> PublicKeySet | None:
    """The public keys of the data folder; None where they cannot be read."""
    folder = data / "keys"
    try:
        if (folder / "signing-keys.json").exists():
            return KeyFiles(folder).public_keys()
    except (CounterfoilError, OSError):
        pass
    return None


def _absent(identity: str, place: Path, what: str, *, in_use: bool) -> Finding:
    if in_use:
        return wrong(
            identity,
            f"{place} is gone, and sessions rest on it.",
            f"Restore {what} from a backup. Without, everybody must sign in again.",
        )
    return ok(identity, f"A server makes {what} when it first needs them.")


def enough(keys: SigningKeySet, clients: Iterable[Client]) -> Iterator[Finding]:
    lacking: dict[str, str] = {}
    for client in clients:
        if client.signs:
            try:
                keys.active(client.algorithm)
            except NotFound:
                lacking.setdefault(client.algorithm, client.client_id)
    for algorithm, client_id in lacking.items():
        yield wrong(
            "key-algorithm",
            f"There is no {algorithm} key, and {client_id} is signed for with one.",
            "Restore the signing keys from a backup, or register the client with another.",
        )
    described = keys.describe()
    algorithms = sorted({key.algorithm for key in described if key.state == "next"})
    yield ok("next-key", f"The next key is published for {', '.join(algorithms)}.")
    gone = [key.kid for key in described if key.state == "distrusted"]
    if gone:
        yield warning(
            "distrusted-keys",
            f"Distrusted: {', '.join(gone)}.",
            "Find out who had them, if that is not known; their tokens are refused.",
        )
