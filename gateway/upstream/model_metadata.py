"""What a specialist says of itself: its inputs, outputs, and that it answers.

Owns asking its server, and giving that the account's variant first where it has not got it.
"""

from uuid import UUID

from gateway.call.values import Served
from gateway.upstream.client import Upstream
from gateway.upstream.error_mapping import NOT_LOADED
from gateway.upstream.load_balancer import Router
from gateway.upstream.variant_loader import MOST_LOADS, VariantLoader

# Specialists that sleep take some seconds to wake.
_SECONDS = 30.0


class Describing:
    """Of one gateway process."""

    def __init__(self, router: Router, upstream: Upstream, loader: VariantLoader) -> None:
        self._router = router
        self._upstream = upstream
        self._loader = loader

    async def ask(self, served: Served, account_id: UUID, what: str) -> tuple[int, bytes]:
        """Status and body of `/v2/models/…` with `what` behind it. Raises as Upstream does."""
        servers = self._router.servers(served.model.id)
        path = f"/v2/models/{served.place}{what}"
        status, body = await self._upstream.ask(servers, path, _SECONDS)
        for _ in range(MOST_LOADS):
            if served.variant is None or status != 404 or NOT_LOADED.encode() not in body:
                break
            await self._loader.load(servers[-1], account_id, served.model, served.variant)
            status, body = await self._upstream.get(servers[-1], path, _SECONDS)
        return status, body
