"""Whether the server lives, whether it is ready, and what it counted."""

from __future__ import annotations

from ipaddress import ip_address

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from counterfoil.errors import NotFound
from counterfoil.server.api.context import Context, Parts
from counterfoil.server.api.document import refusals
from counterfoil.server.proxies.forwarded import is_trusted

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: str


@router.get("/livez")
async def alive() -> Health:
    """The process answers."""
    return Health(status="alive")


@router.get("/readyz", responses=refusals(503))
async def ready(parts: Parts) -> Health:
    """The store and the keys can be read, and the server is not stopping; otherwise 503."""
    await parts.readiness.require()
    return Health(status="ready")


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, parts: Parts) -> Response:
    """Counted for Prometheus. To others than those who may see it, there is nothing here."""
    if not _may_see(request, parts):
        raise NotFound("There is nothing at this address.")
    accept = ",".join(request.headers.getlist("accept"))
    told = parts.metrics.exposition(accept)
    return Response(told.body, headers={"content-type": told.content_type})


def _may_see(request: Request, parts: Context) -> bool:
    """Whether this comes from the machine itself or from a trusted network, and not through a
    proxy for somebody else."""
    if parts.metrics_for != "private":
        return parts.metrics_for == "open"
    address = parts.address(request)
    try:
        is_local = ip_address(address).is_loopback
    except ValueError:
        return False
    peer = request.client.host if request.client else ""
    if not is_trusted(peer, parts.networks) and "x-forwarded-for" in request.headers:
        return False  # through a proxy that nobody named: whose request it is, is not known
    return is_local or is_trusted(address, parts.networks)
