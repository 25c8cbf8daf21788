"""Changes of the registered clients and their secrets: done, and in the trail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from counterfoil.errors import ClientUnknown, IdentifierTaken
from counterfoil.events import Event
from counterfoil.ports import Commit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.client import Client
    from counterfoil.engine import Counterfoil
    from counterfoil.events import EventKind
    from counterfoil.server.tables.client_secrets import ClientSecrets
    from counterfoil.server.tables.clients import ClientRows


@dataclass(frozen=True, slots=True)
class ClientChanges:
    """For the console and the command line alike."""

    auth: Counterfoil
    rows: ClientRows
    secrets: ClientSecrets

    async def register(self, client: Client, *, own_lifetime: bool) -> None:
        """Raises `IdentifierTaken`, and `ConfigurationError` as `ClientRows.add` does."""
        now = self.auth.clock.now()
        if not await self.rows.add(client, at=now, own_lifetime=own_lifetime):
            raise IdentifierTaken("There is a client of this client_id.")
        await self._note("client_registered", client.client_id, _settings(client))

    async def change(self, client: Client, *, own_lifetime: bool) -> None:
        """Replaces lifetimes, max_staleness and whether it may manage; what its credentials say
        stays. Raises `ClientUnknown`."""
        if not await self.rows.change(client, own_lifetime=own_lifetime):
            raise ClientUnknown
        await self._note("client_changed", client.client_id, _settings(client))

    async def make_secret(self, client_id: str) -> str:
        """A secret that nobody can be told again. Raises `Malformed` where there are two."""
        await self._require(client_id)
        made = await self.secrets.add(client_id, at=self.auth.clock.now())
        await self._note("client_secret_made", client_id, {})
        return made

    async def revoke_secrets(self, client_id: str, *, newest: bool) -> int:
        """Ends all but the newest, or all; answers how many."""
        await self._require(client_id)
        revoked = await self.secrets.revoke(client_id, newest=newest)
        if revoked:
            # In a copy from before they would be good again, so this has to be missed there.
            event = self._event("client_secrets_revoked", client_id, {"count": revoked})
            await self.auth.store.commit(Commit(moves_feed=True, events=(event,)))
            await self.auth.require_current()
        return revoked

    async def _require(self, client_id: str) -> None:
        if client_id not in await self.rows.clients():
            raise ClientUnknown

    async def _note(self, kind: EventKind, client_id: str, detail: Mapping[str, object]) -> None:
        await self.auth.store.note(self._event(kind, client_id, detail))

    def _event(self, kind: EventKind, client_id: str, detail: Mapping[str, object]) -> Event:
        now = self.auth.clock.now()
        return Event(kind=kind, at=now, client_id=client_id, detail=detail)


def _settings(client: Client) -> dict[str, object]:
    """What the trail keeps of them."""
    life = client.lifetime
    return {
        "strategy": client.strategy,
        "manage": client.manage,
        "access_seconds": life.access.total_seconds(),
        "idle_seconds": life.idle.total_seconds(),
        "absolute_seconds": life.absolute.total_seconds(),
        "grace_seconds": life.grace.total_seconds(),
        "max_staleness_seconds": client.max_staleness.total_seconds(),
    }
