"""Client settings to paste: lines for the server's command line, and Python for an application."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.client import Client
from counterfoil.lifetime import Lifetime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.advice.rule import Settings
    from counterfoil.client import CarrierName, StrategyName

ISSUER: Final = "https://app.example"
_CLIENTS: Final[dict[str, tuple[tuple[str, CarrierName], ...]]] = {
    "browser": (("site", "cookie"),),
    "mobile": (("app", "bearer"),),
    "both": (("site", "cookie"), ("app", "bearer")),
    "programs": (("program", "bearer"),),
}
_SPANS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_WORDS: Final = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Clients, and the same as texts. commands: for a data folder of `counterfoil serve`. python:
    of an application with its engine inside. verifying: of the other services, empty without any.
    """

    clients: tuple[Client, ...]
    commands: tuple[str, ...]
    python: str
    verifying: str


def setup(strategy: StrategyName, settings: Settings, answers: Mapping[str, str]) -> Setup:
    """What to set for these answers."""
    clients = _clients(strategy, settings, answers)
    return Setup(
        clients=clients,
        commands=tuple(map(_command, clients)),
        python=_python(clients, keeps=keeps(strategy, answers), store=answers["store"]),
        verifying=_verifying(clients[0], settings, answers),
    )


def keeps(strategy: StrategyName, answers: Mapping[str, str]) -> bool:
    """Whether there is a store: only programs with plain tokens do without."""
    wants_none = answers["store"] == "none" and answers["people"] == "programs"
    return not (wants_none and strategy == "jwt")


def _clients(
    strategy: StrategyName, settings: Settings, answers: Mapping[str, str]
) -> tuple[Client, ...]:
    named = _CLIENTS[answers["people"]]
    default = Lifetime()
    life = Lifetime(access=settings.access or default.access)
    shared = named[-1][0] if len(named) > 1 else ""
    return tuple(
        Client(
            client_id=client_id,
            strategy=strategy,
            carrier=carrier,
            audience=shared,
            lifetime=life,
            max_staleness=settings.max_staleness or timedelta(seconds=10),
            manage=bool(settings.manage),
        )
        for client_id, carrier in named
    )


def _command(client: Client) -> str:
    options = [f"--strategy {client.strategy}", f"--carrier {client.carrier}"]
    if client.audience != client.client_id:
        options.append(f"--audience {client.audience}")
    if client.lifetime != Lifetime():
        options.append(f"--access-lifetime {_short(client.lifetime.access)}")
    if client.strategy == "hybrid":
        options.append(f"--max-staleness {_short(client.max_staleness)}")
    if client.manage:
        options.append("--manage")
    return " ".join((f"counterfoil clients add {client.client_id}", *options))


def _python(clients: tuple[Client, ...], *, keeps: bool, store: str) -> str:
    names = ["Client", "Counterfoil"]
    has_lifetime = any(client.lifetime != Lifetime() for client in clients)
    names += ["Lifetime"] if has_lifetime else []
    before, arguments = [], [f'issuer="{ISSUER}",']
    if not keeps:
        names.append("KeyFiles")
        arguments.append('keys=KeyFiles("keys"),  # no store: nothing is kept, nothing revoked')
    elif store == "shared":
        names.append("PostgresStore")
        before.append('store = PostgresStore(os.environ["DATABASE_URL"])')
        sealed = 'secret_file=os.environ["SECRET_FILE"], folder="node"'
        arguments += ["store=store,", f"keys=store.sealed_keys({sealed}),"]
    else:
        names.append("SqliteStore")
        arguments.append('store=SqliteStore("app.db"),')
    imports = ["import os"] if before else []
    if has_lifetime or any(client.strategy == "hybrid" for client in clients):
        imports.append("from datetime import timedelta")
    imports += [""] if imports else []
    imports.append(f"from counterfoil import {', '.join(sorted(names))}")
    lines = [*imports, "", *before, "auth = Counterfoil("]
    lines += [f"    {argument}" for argument in arguments]
    lines += ["    clients=["]
    for client in clients:
        lines += ["        Client(", *(f"            {each}," for each in _arguments(client))]
        lines.append("        ),")
    return "\n".join((*lines, "    ],", ")")) + "\n"


def _arguments(client: Client) -> list[str]:
    found = [f'client_id="{client.client_id}"', f'strategy="{client.strategy}"']
    found.append(f'carrier="{client.carrier}"')
    if client.audience != client.client_id:
        found.append(f'audience="{client.audience}"')
    if client.lifetime != Lifetime():
        found.append(f"lifetime=Lifetime(access={_timedelta(client.lifetime.access)})")
    if client.strategy == "hybrid":
        found.append(f"max_staleness={_timedelta(client.max_staleness)}")
    if client.manage:
        found.append("manage=True")
    return found


def _verifying(client: Client, settings: Settings, answers: Mapping[str, str]) -> str:
    """Who reads the record needs no more; who asks the issuer has `confirm`."""
    if answers["services"] == "one" and answers["verifiers"] == "ours":
        if answers["offline"] != "always":
            return ""
    elif not client.signs and client.carrier == "cookie":
        return ""  # a cookie stays at its host: a proxy in front asks `/v1/check`
    more = settings.keys_max_age
    imports = ["from datetime import timedelta", ""] if more else []
    age = f", keys_max_age={_timedelta(more)}" if more else ""
    verb = "check(token)  # no request" if client.signs else "confirm(handle)  # one request"
    return "\n".join(
        (
            *imports,
            "from counterfoil import Verifier",
            "",
            f'verifier = Verifier(issuer="{ISSUER}", audience="{client.audience}"{age})',
            f"# then, for each request: verifier.{verb}",
            "",
        )
    )


def _parts(span: timedelta) -> tuple[int, str]:
    seconds = int(span.total_seconds())
    return next((seconds // size, unit) for unit, size in _SPANS if seconds % size == 0)


def _short(span: timedelta) -> str:
    number, unit = _parts(span)
    return f"{number}{unit}"


def _timedelta(span: timedelta) -> str:
    number, unit = _parts(span)
    return f"timedelta({_WORDS[unit]}={number})"
