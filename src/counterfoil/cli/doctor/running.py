"""Whether a server runs on the data folder, and what time it has."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final

from counterfoil.cli.doctor.configured import Setup
from counterfoil.cli.doctor.exchange import NoAnswer, get
from counterfoil.cli.doctor.finding import Finding, ok, unseen, warning, wrong
from counterfoil.integrations.issuer import JWKS
from counterfoil.token import AHEAD

SOME: Final = timedelta(seconds=5)
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}  # noqa: S104 - read, not listened on


def answers(setup: Setup) -> Finding:
    """Asked where it listens, not through the issuer's URL."""
    host, port = setup.told("host"), setup.told("port")
    if not setup.served or host is None or port is None:
        says = "Whether a server runs: none was started on this folder by this version."
        return unseen("server-ready", says)
    where = f"http://{_EVERYWHERE.get(host, host)}:{port}"
    try:
        answer = get(f"{where}/readyz")
    except NoAnswer as why:
        says = f"No server answers at {where}: {why}."
        return warning("server-ready", says, f"Start counterfoil serve --data {setup.data}.")
    if answer.status != HTTPStatus.OK:
        says = f"The server at {where} is not ready: {answer.members.get('code', answer.status)}."
        return wrong("server-ready", says, "Look at its log, and at what is wrong above.")
    return ok("server-ready", f"The server at {where} is ready.")


def of_issuer(issuer: str) -> Finding:
    """The clock here beside the issuer's, which its answers tell to the second."""
    try:
        answer = get(issuer + JWKS)
    except NoAnswer:
        return unseen("clock-issuer", "The issuer's clock: it does not answer.")
    if answer.date is None:
        return unseen("clock-issuer", "The issuer's clock: its answers have no Date.")
    # It is cut to the second: what is told is half a second ago on average.
    apart = abs(datetime.fromtimestamp(answer.at - 0.5, UTC) - answer.date.astimezone(UTC))
    says = f"This machine's clock and the issuer's are {apart.total_seconds():.0f} s apart."
    mend = "Set both by NTP: who checks a jwt goes by their own clock."
    if apart > AHEAD:
        return wrong("clock-issuer", f"{says} Its tokens may seem to be of the future.", mend)
    if apart > SOME:
        return warning("clock-issuer", says, mend)
    return ok("clock-issuer", "This machine's clock agrees with the issuer's.")


def of_files(data: Path, *, now: datetime) -> Finding:
    """A clock that went back makes what was written before it a thing of the future."""
    files = [data / "counterfoil.db", data / "keys" / "signing-keys.json", data / "served.json"]
    written: dict[str, datetime] = {}
    for path in files:
        with suppress(OSError):
            written[path.name] = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    ahead = [name for name, at in written.items() if at > now + AHEAD]
    if ahead:
        return wrong(
            "clock-files",
            f"Written in the future, by this machine's clock: {', '.join(ahead)}.",
            "Set the clock by NTP: sessions and tokens last for longer under one that went back.",
        )
    return ok("clock-files", "No file of it was written in the future.")
