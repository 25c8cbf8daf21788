"""`counterfoil serve`: the standalone server."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from counterfoil.cli.options import Data
from counterfoil.cli.output import say
from counterfoil.cli.refusals import REFUSED

Text = str | None


def _option(name: str, what: str, metavar: str | None = None) -> Any:
    return typer.Option(name, help=what, metavar=metavar, show_default=False)


def serve(
    *,
    dev: Annotated[
        bool | None,
        _option("--dev", "Needs no configuration: localhost, a demo account, three clients."),
    ] = None,
    host: Annotated[Text, _option("--host", "Where to listen; by default localhost.")] = None,
    port: Annotated[int | None, _option("--port", "By default 8000; 0 takes a free one.")] = None,
    data: Data = None,
    store: Annotated[
        Text,
        _option("--store", "Where things are kept, if not in SQLite: postgresql://…", "URL"),
    ] = None,
    sessions: Annotated[
        Text,
        _option("--sessions", "Where sessions are kept, if apart from all else: redis://…", "URL"),
    ] = None,
    workers: Annotated[
        int | None, _option("--workers", "How many processes answer; by default one.")
    ] = None,
    issuer: Annotated[
        Text, _option("--issuer", "The https URL that users see; in tokens as iss.", "URL")
    ] = None,
    registration: Annotated[
        Text,
        _option(
            "--registration", "Whether anybody may register; closed unless --dev.", "open|closed"
        ),
    ] = None,
    pages_client: Annotated[
        Text,
        _option("--pages-client", "Whom the pages sign in to; web. Empty: no pages.", "CLIENT_ID"),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        _option("--trusted-proxy", "Whose X-Forwarded-For counts; may be repeated.", "NETWORK"),
    ] = None,
    access_lifetime: Annotated[
        Text, _option("--access-lifetime", "How long a signed token is good; 5m.", "SPAN")
    ] = None,
    idle: Annotated[
        Text, _option("--idle", "Unused for so long, a session expires; 7d.", "SPAN")
    ] = None,
    absolute: Annotated[
        Text, _option("--absolute", "A session's end, whatever is done; 30d.", "SPAN")
    ] = None,
    grace: Annotated[
        Text, _option("--grace", "So long a spent handle may be retried; 10s.", "SPAN")
    ] = None,
    max_staleness: Annotated[
        Text,
        _option("--max-staleness", "How late a verifier may learn of a revocation; 10s.", "SPAN"),
    ] = None,
    log_level: Annotated[
        Text, _option("--log-level", "By default info.", "debug|info|warning|error")
    ] = None,
    metrics: Annotated[
        Text,
        _option("--metrics", "Who may read /metrics; by default private.", "private|open|off"),
    ] = None,
    drain: Annotated[
        Text, _option("--drain", "Told to stop, it answers for so long as before; 0s.", "SPAN")
    ] = None,
) -> None:
    """Serve sign-in, checks and administration over HTTP.

    A flag comes before COUNTERFOIL_* in the environment, that before the TOML file that
    COUNTERFOIL_CONFIG names. A SPAN is seconds, or 10s, 5m, 12h, 30d.
    """
    from counterfoil.server.settings import load

    settings = load(
        {
            "dev": dev,
            "host": host,
            "port": port,
            "workers": workers,
            "data": data,
            "store": store,
            "sessions": sessions,
            "issuer": issuer,
            "registration": registration,
            "pages_client": pages_client,
            "trusted_proxies": trusted_proxy,
            "access_lifetime": access_lifetime,
            "idle": idle,
            "absolute": absolute,
            "grace": grace,
            "max_staleness": max_staleness,
            "log_level": log_level,
            "metrics": metrics,
            "drain": drain,
        }
    )
    with _ending_quietly():
        # Late: a wrong setting is told before a second has gone by.
        from counterfoil.cli.data import remember
        from counterfoil.cli.welcome import welcome
        from counterfoil.server import serving
        from counterfoil.server.workers.supervisor import NoWorkerError, supervise

        answered = False

        def ready(found: serving.Ready) -> None:
            nonlocal answered
            answered = True
            remember(found.settings, found.url)
            welcome(found)

        if settings.workers == 1:
            serving.run(serving.serve(settings, ready=ready))
        else:
            try:
                supervise(settings, ready=ready)
            except NoWorkerError as why:
                say(str(why))
                raise typer.Exit(REFUSED) from None
            answered = True
    if not answered:
        raise typer.Exit(1)


@contextlib.contextmanager
def _ending_quietly() -> Iterator[None]:
    """Ends the program, with code 0, for what people and service managers send to stop it."""

    def end(*_: object) -> None:
        sys.exit(0)

    signals = (signal.SIGINT, signal.SIGTERM)
    former = {each: signal.signal(each, end) for each in signals}
    try:
        yield
    finally:
        for each in signals:
            signal.signal(each, former[each])
