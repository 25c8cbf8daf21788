"""One frozen `Settings`: flag, then COUNTERFOIL_*, then the TOML file, then the default.

A key that is not known is an error that names the nearest one that is: a setting that is silently
not applied is worse than a server that does not start.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from counterfoil.errors import ConfigurationError
from counterfoil.issuer_url import LOOPBACK, require_issuer
from counterfoil.lifetime import Lifetime
from counterfoil.server.proxies.forwarded import trusted_networks
from counterfoil.stores.durability import Durability

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "COUNTERFOIL_"
CONFIG: Final = PREFIX + "CONFIG"  # where the TOML file is; not a setting itself
_OTHERS: Final = (CONFIG, PREFIX + "TEST_")
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, None: 1}


def read_span(value: object) -> object:
    """A duration: seconds, or a number with ms, s, m, h or d."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value)
    if isinstance(value, str) and (found := _SPAN.fullmatch(value.strip())):
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    if isinstance(value, timedelta):
        return value
    raise ValueError("write a duration as seconds, or as 10s, 5m, 12h or 30d")


def read_names(value: object) -> object:
    """Several names: a list, or one text with commas between them."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


Span = Annotated[timedelta, BeforeValidator(read_span)]
MetricsFor = Literal["private", "open", "off"]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(read_names)]


class Settings(BaseSettings):
    """How the server runs. Durations may be written as 10s, 5m, 12h or 30d."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    dev: bool = False
    host: str = "localhost"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    data: Path = Path("counterfoil-data")
    store: SecretStr = SecretStr("")  # SQLite in the data folder; or postgresql://…
    store_file: Path | None = None  # a file that says it
    sessions: SecretStr = SecretStr("")  # in the store; or redis://…, which has them alone
    sessions_file: Path | None = None
    secret_file: Path | None = None  # which every node has, where they share a store
    durability: Durability = "durable"
    issuer: str = ""
    registration: Literal["open", "closed", ""] = ""
    pages_client: str = Field(default="web", pattern=r"^([a-z0-9][a-z0-9_-]{0,31})?$")
    trusted_proxies: Names = ()
    access_lifetime: Span = Lifetime().access
    idle: Span | None = None  # 7 days, or less where the absolute end comes sooner
    absolute: Span = Lifetime().absolute
    grace: Span = Lifetime().grace
    max_staleness: Span = timedelta(seconds=10)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    metrics: MetricsFor = "private"
    drain: Span = Field(default=timedelta(0), ge=timedelta(0), le=timedelta(minutes=5))

    @property
    def lifetime(self) -> Lifetime:
        return Lifetime(
            idle=self.idle or min(Lifetime().idle, self.absolute),
            absolute=self.absolute,
            access=self.access_lifetime,
            grace=self.grace,
        )

    @property
    def registration_is_open(self) -> bool:
        return self.registration == "open" or (self.dev and not self.registration)

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return trusted_networks(self.trusted_proxies)

    @property
    def store_address(self) -> str:
        """The URL of a shared store; empty for SQLite in the data folder. Raises
        `ConfigurationError`."""
        return _said("STORE", self.store, self.store_file)

    @property
    def sessions_address(self) -> str:
        """The URL of where sessions are kept, if apart from all else. Raises
        `ConfigurationError`."""
        return _said("SESSIONS", self.sessions, self.sessions_file)

    @property
    def database(self) -> Path:
        return self.data / "counterfoil.db"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings, file_secret_settings
        return init_settings, env_settings


def load(flags: Mapping[str, Any], *, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. Raises `ConfigurationError`, in one sentence, for what is wrong."""
    given = os.environ if environment is None else environment
    _require_known(given)
    from_file = _read_file(given.get(CONFIG))
    named = {name: value for name, value in flags.items() if value is not None}
    below = {name: value for name, value in from_file.items() if PREFIX + name.upper() not in given}
    try:
        settings = Settings(**{**below, **named})
    except ValidationError as why:
        raise ConfigurationError(_sentence(why)) from None
    return _complete(settings)


def _said(name: str, value: SecretStr, file: Path | None) -> str:
    """What a setting says, or the file that says it."""
    if file is None:
        return value.get_secret_value()
    if value.get_secret_value():
        raise ConfigurationError(f"Set {PREFIX}{name} or {PREFIX}{name}_FILE, not both.")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"Make {file} readable: it is what {PREFIX}{name}_FILE names."
        ) from None


def _complete(settings: Settings) -> Settings:
    if settings.dev and settings.host not in LOOPBACK:
        raise ConfigurationError("Serve --dev on localhost only, or leave --dev out.")
    if not settings.issuer and not settings.dev and settings.host not in LOOPBACK:
        raise ConfigurationError(f"Set {PREFIX}ISSUER to the https URL that users see.")
    if settings.issuer:
        require_issuer(settings.issuer)
    _ = settings.lifetime, settings.networks  # both raise for what contradicts itself
    return settings


def _require_known(environment: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in environment:
        if name.startswith(PREFIX) and name not in known and not name.startswith(_OTHERS):
            raise ConfigurationError(_unknown(name, known))


def _read_file(place: str | None) -> dict[str, Any]:
    if place is None:
        return {}
    try:
        with Path(place).open("rb") as file:
            values = tomllib.load(file)
    except OSError as why:
        raise ConfigurationError(f"Make {place} readable, or unset {CONFIG}.") from why
    except tomllib.TOMLDecodeError as why:
        raise ConfigurationError(f"Correct {place}: {why}.") from why
    for name in values:
        if name not in Settings.model_fields:
            raise ConfigurationError(f"{_unknown(name, set(Settings.model_fields))} ({place})")
    return values


def _unknown(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "see counterfoil serve --help."
    return f"Remove {name}, which is no setting: {hint}"


def _sentence(why: ValidationError) -> str:
    first = why.errors(include_input=False, include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    return f"Correct the setting {name}: {first['msg'].removeprefix('Value error, ')}."
