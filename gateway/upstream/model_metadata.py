"""Fetch a specialist model's metadata and readiness (Open Inference Protocol) from its server."""

from uuid import UUID

from gateway.call.values import ResolvedModel
from gateway.upstream.client import UpstreamClient
from gateway.upstream.error_mapping import VARIANT_NOT_LOADED
from gateway.upstream.load_balancer import Router
from gateway.upstream.variant_loader import MAX_LOADS, VariantLoader

# A specialist that was scaled to zero takes some seconds to start.
_TIMEOUT_S = 30.0


class ModelMetadata:
    """Client for the Open Inference Protocol metadata of specialist models."""

    def __init__(self, router: Router, upstream: UpstreamClient, loader: VariantLoader) -> None:
        self._router = router
        self._upstream = upstream
        self._loader = loader

    async def fetch(
        self, resolved: ResolvedModel, account_id: UUID, suffix: str
    ) -> tuple[int, bytes]:
        """Fetch `/v2/models/{model}` + `suffix`. Returns status and body.

        Loads the account's variant into the server first if it is not loaded. Raises like
        UpstreamClient.get and VariantLoader.load.
        """
        servers = self._router.server_urls(resolved.model.id)
        path = f"/v2/models/{resolved.upstream_name}{suffix}"
        status, body = await self._upstream.get_from_any(servers, path, _TIMEOUT_S)
        for _ in range(MAX_LOADS):
            variant_id = resolved.variant_id
            if variant_id is None or status != 404 or VARIANT_NOT_LOADED.encode() not in body:
                break
            await self._loader.load(servers[-1], account_id, resolved.model, variant_id)
            status, body = await self._upstream.get(servers[-1], path, _TIMEOUT_S)
        return status, body
