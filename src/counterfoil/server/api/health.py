"""Whether the server lives, and whether it is ready."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from counterfoil.server.api.context import Parts
from counterfoil.server.api.document import refusals

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: str


@router.get("/livez")
async def alive() -> Health:
    """The process answers."""
    return Health(status="alive")


@router.get("/readyz", responses=refusals(503))
async def ready(parts: Parts) -> Health:
    """The store and the keys can be read; otherwise 503."""
    await parts.auth.store.subject("readiness")
    parts.auth.keys.public_keys()
    return Health(status="ready")
