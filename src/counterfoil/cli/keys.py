"""`counterfoil keys`: which keys sign, which are believed, and changing that."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Final

import typer

from counterfoil.cli.data import DataFolder, at, existing, require_owner
from counterfoil.cli.options import AsJson, Data
from counterfoil.cli.output import say, tell, tell_json, tell_table
from counterfoil.cli.words import relative
from counterfoil.client import Algorithm
from counterfoil.errors import ConfigurationError, NotFound
from counterfoil.keys import KeyDescription, SigningKeySet
from counterfoil.lifetime import has_passed, seconds_up
from counterfoil.server import key_changes

commands = typer.Typer(help="Signing keys; a change holds for a running server at once.")

REFETCH: Final = timedelta(minutes=5)  # how often verifiers fetch the key set
LONGEST_CUT_OFF: Final = timedelta(hours=1)  # and how long they go on without it

Alg = Annotated[Algorithm, typer.Argument(metavar="ALG", help="ES256, RS256 or EdDSA.")]
Kid = Annotated[str, typer.Argument(metavar="KID", help="A key's id, as `list` shows it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@commands.command("list")
def listing(*, data: Data = None, as_json: AsJson = False) -> None:
    """List signing keys, without their secrets."""

    async def work(folder: DataFolder) -> tuple[SigningKeySet, datetime]:
        return folder.auth.keys.signing_keys(), folder.clock.now()

    keys, now = at(data, work)
    _tell(keys, now, as_json=as_json)


@commands.command()
def rotate(algorithm: Alg, *, data: Data = None, as_json: AsJson = False) -> None:
    """Sign with the next key from now on; tokens of the former stay good until they expire."""
    require_owner(existing(data).data)

    async def work(folder: DataFolder) -> tuple[SigningKeySet, datetime]:
        return await key_changes.rotate(folder.auth, algorithm), folder.clock.now()

    keys, now = at(data, work)
    if not as_json:
        tell(
            f"{algorithm} tokens are signed with {keys.active(algorithm).kid}: effective at once."
            " Those of the former key stay good until they expire."
        )
    _tell(keys, now, as_json=as_json)


@commands.command()
def distrust(kid: Kid, *, yes: Yes = False, data: Data = None, as_json: AsJson = False) -> None:
    """Trust a key no longer: every token it signed is refused, and clients must refresh."""
    require_owner(existing(data).data)

    async def read(folder: DataFolder) -> KeyDescription:
        found = folder.auth.keys.signing_keys().get(kid)
        if found is None:
            raise NotFound("There is no key with this kid.")
        return found

    found = at(data, read)
    if found.state == "distrusted":
        if as_json:
            tell_json({"kid": kid, "state": found.state, "changed": False})
        else:
            tell(f"{kid} was distrusted already. Nothing was changed.")
        return
    _require_consent(found, yes=yes)

    async def work(folder: DataFolder) -> tuple[SigningKeySet, datetime]:
        return await key_changes.distrust(folder.auth, kid), folder.clock.now()

    keys, now = at(data, work)
    if not as_json:
        tell(
            f"{kid} is distrusted: effective at this server within 1 s, at other verifiers within"
            f" {seconds_up(REFETCH)} s, or {seconds_up(LONGEST_CUT_OFF)} s where they are cut off."
        )
    _tell(keys, now, as_json=as_json)


def _require_consent(found: KeyDescription, *, yes: bool) -> None:
    """Says what distrusting does, and asks. Raises `Abort` for a no."""
    say(f"{found.kid} is the {found.state} {found.algorithm} key for {found.purpose}.")
    if found.state == "next":
        say("It has signed nothing yet; another takes its place.")
    else:
        say("Every token that it signed is refused from then on; whoever holds one must refresh.")
    if found.state == "active":
        say("The next key signs at once, also where a verifier does not know it yet.")
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("Add --yes: there is no terminal to ask on.")
    typer.confirm("Distrust it?", abort=True, err=True)


def _tell(keys: SigningKeySet, now: datetime, *, as_json: bool) -> None:
    found = keys.describe()
    if as_json:
        tell_json({"keys": [asdict(key) for key in found]})
        return
    lines = [
        (key.kid, key.algorithm, key.purpose, _state(key, now), relative(key.created_at, now=now))
        for key in found
    ]
    tell_table(("KID", "ALGORITHM", "PURPOSE", "STATE", "CREATED"), lines)


def _state(key: KeyDescription, now: datetime) -> str:
    if key.state == "next" and not has_passed(key.ready_at, now=now):
        return f"next, ready {relative(key.ready_at, now=now)}"
    return key.state
