"""How the server is configured, and how it was last served: read, and nothing created."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from counterfoil.cli.data import NOTE, SPANS
from counterfoil.cli.doctor.finding import Finding, ok, warning, wrong
from counterfoil.errors import ConfigurationError
from counterfoil.issuer_url import LOOPBACK
from counterfoil.lifetime import Lifetime
from counterfoil.server.settings import PREFIX, Settings, load


@dataclass(frozen=True, slots=True)
class Setup:
    """What is looked at. settings: None where they do not load. served: the note of the last
    start, empty before the first: it knows the flags, which the settings here do not."""

    data: Path
    settings: Settings | None
    served: dict[str, Any] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        """Empty where it cannot be known: before the first start something else may answer at what
        would be the server's address."""
        if self.served:
            return str(self.served["issuer"])
        return self.settings.issuer if self.settings else ""

    @property
    def is_public(self) -> bool:
        """Whether the issuer is for others than this machine."""
        return bool(self.issuer) and urlsplit(self.issuer).hostname not in LOOPBACK

    @property
    def lifetime(self) -> Lifetime:
        """That of clients without their own."""
        if self.served:
            names = ("access", "idle", "absolute", "grace")
            spans = (timedelta(seconds=self.served[name]) for name in SPANS[: len(names)])
            return Lifetime(**dict(zip(names, spans, strict=True)))
        return self.settings.lifetime if self.settings else Lifetime()

    def told(self, name: str) -> Any:
        """One thing about how it is served; None where that cannot be known."""
        return self.served.get(name) if self.served else getattr(self.settings, name, None)


def read(place: Path | None) -> tuple[Setup, list[Finding]]:
    """The set-up of a data folder, and what is wrong with reading it."""
    found: list[Finding] = []
    settings: Settings | None = None
    data = place or Path(os.environ.get(f"{PREFIX}DATA", "counterfoil-data"))
    try:
        settings = load({"data": place})
        data = settings.data
        found.append(ok("settings", "The settings load, and do not contradict themselves."))
    except ConfigurationError as why:
        found.append(wrong("settings", "The settings do not load.", str(why)))
    try:
        served = json.loads((data / NOTE).read_bytes())
        setup = Setup(data, settings, served)
        _ = served["issuer"], setup.lifetime
    except FileNotFoundError:
        return Setup(data, settings), found
    except (OSError, ValueError, KeyError, TypeError, ConfigurationError):
        mend = f"Make {data / NOTE} readable, or start the server again to write it anew."
        return Setup(data, settings), [*found, wrong("served", f"{NOTE} cannot be read.", mend)]
    if "host" not in served:
        mend = "Start the server again to write it anew."
        found.append(warning("served", f"{NOTE} was written by an older Counterfoil.", mend))
    return setup, found
