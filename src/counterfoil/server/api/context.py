"""What every call is given: the parts of the server, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.responses import Response

from counterfoil.carriers.clients import ClientCarriers
from counterfoil.client import Client
from counterfoil.credential import Presented, Verified
from counterfoil.engine import Counterfoil
from counterfoil.errors import Forbidden
from counterfoil.integrations.fastapi import routes, sign_in
from counterfoil.integrations.fastapi.shapes import ClientId
from counterfoil.outcome import Opened
from counterfoil.server.accounts import Accounts
from counterfoil.server.acting import act_for
from counterfoil.server.client_changes import ClientChanges
from counterfoil.server.clients import RegisteredClients
from counterfoil.server.devices import recognise
from counterfoil.server.endings import ClientEndings
from counterfoil.server.lab.laboratory import Laboratory
from counterfoil.server.operations.metrics import Metrics
from counterfoil.server.operations.readiness import Readiness
from counterfoil.server.operations.samples import Sampler
from counterfoil.server.proxies.forwarded import client_address
from counterfoil.server.settings import MetricsFor
from counterfoil.server.tables.client_secrets import ClientSecrets
from counterfoil.server.verifiers.register import VerifierRegister
from counterfoil.server.verifiers.waiting import Waits

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Context:
    """The server's parts."""

    auth: Counterfoil
    accounts: Accounts
    clients: RegisteredClients
    carriers: ClientCarriers
    networks: tuple[IPv4Network | IPv6Network, ...]
    registration_is_open: bool
    client_secrets: ClientSecrets
    metrics: Metrics
    readiness: Readiness
    metrics_for: MetricsFor
    pages_client: str
    verifiers: VerifierRegister
    waits: Waits
    sampler: Sampler
    workers: int
    client_changes: ClientChanges
    endings: ClientEndings
    lab: Laboratory | None = None

    def address(self, request: Request) -> str:
        peer = request.client.host if request.client else ""
        return client_address(peer, request.headers.raw, self.networks)


def context(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


Parts = Annotated[Context, Depends(context)]
AskedAs = Annotated[
    ClientId | None,
    Query(alias="as_client_id", description="Whose cookie; client_id filters here."),
]


async def presented(request: Request, parts: Parts, client_id: routes.Asked = None) -> Presented:
    """The request's one credential. A cookie counts only where the request is not cross-site."""
    return parts.carriers.require(request.method, request.headers.raw, client_id=client_id)


async def presented_as(request: Request, parts: Parts, client_id: AskedAs = None) -> Presented:
    """The same, where `client_id` means something else."""
    return await presented(request, parts, client_id)


Given = Annotated[Presented, Depends(presented)]
GivenAs = Annotated[Presented, Depends(presented_as)]


async def managing(parts: Parts, found: Given) -> Verified:
    """Who is asking, by the record as it is now. Raises `Forbidden` for a client that may not
    manage."""
    return await routes.managing(parts.auth, found)


async def administering(parts: Parts, found: GivenAs) -> Verified:
    """An administrator, whom the trail names from now on. Raises `Forbidden`."""
    verified = await managing(parts, found)
    if ADMIN not in verified.roles:
        raise Forbidden(f"This call needs the role {ADMIN}.")
    act_for(verified.subject)
    return verified


Manager = Annotated[Verified, Depends(managing)]
Administrator = Annotated[Verified, Depends(administering)]


def device(request: Request) -> str:
    return recognise(request.headers.get("user-agent"))


def carry(response: Response, found: Opened, parts: Context) -> None:
    """Puts the credential of a cookie client where it belongs."""
    response.raw_headers.extend(parts.carriers.set_cookies(found, now=parts.auth.clock.now()))


async def end_former(request: Request, client: Client, parts: Context) -> None:
    """Ends the session whose cookie a sign-in replaces (ASVS 7.2.4), if that can be done now: the
    new one is open already, and its credential must reach the client."""
    headers = request.headers.raw
    await sign_in.end_former(parts.auth, parts.carriers, headers, client_id=client.client_id)
