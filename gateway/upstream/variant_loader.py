"""Load fine-tuned variants and shared-model versions on model servers; unload deleted ones."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from uuid import UUID

import msgspec

from gateway.call.errors import ModelNotFound, Unavailable
from gateway.registry.variants import PREFIX, StoredVersion, find_variant_with_weights
from gateway.registry.versions import find_version_with_weights
from gateway.upstream.client import UpstreamClient
from infra import ids
from infra.database.database import Database
from infra.errors import AppError
from infra.single_flight import SingleFlight
from models.catalog import Model, Task

# One address may stand for several machines, and each must load a variant itself, so a call may
# need several loads. The processes of one machine share loaded variants.
MAX_LOADS = 3
VARIANT_UNLOADABLE = "The fine-tuned model cannot be loaded at the moment. The call is not billed."
# A specialist that was scaled to zero takes some seconds to start.
_TIMEOUT_S = 30.0
_JSON = {"content-type": "application/json"}


class VariantLoader:
    """Loads and unloads variants on the model servers, for one gateway process."""

    def __init__(self, database: Database, upstream: UpstreamClient) -> None:
        self._database = database
        self._upstream = upstream
        self._loading = SingleFlight[tuple[str, UUID], None]()

    async def load(self, server: str, account_id: UUID, model: Model, variant_id: UUID) -> None:
        """Load an account's fine-tuned variant, or a shared model's version, into a server.

        Concurrent loads of one variant share one request. Raises ModelNotFound if the variant was
        deleted, Unavailable if the server did not accept it, and the errors of UpstreamClient.put.
        """
        work = partial(self._load, server, account_id, model, variant_id)
        await self._loading.run((server, variant_id), work)

    async def unload(
        self, servers: Iterable[str], model: Model, variant_ids: Iterable[UUID]
    ) -> int:
        """Remove deleted variants from the servers. Returns how many servers confirmed it.

        A variant that stays loaded on a server that does not answer cannot be called, and the
        server drops it after a day without calls.
        """
        paths = [variant_path(model, variant_id) for variant_id in variant_ids]
        confirmed = 0
        for server in servers:
            with suppress(AppError):
                statuses = [await self._upstream.delete(server, path, _TIMEOUT_S) for path in paths]
                confirmed += all(status < 300 for status in statuses)
        return confirmed

    async def _load(self, server: str, account_id: UUID, model: Model, variant_id: UUID) -> None:
        """Send a variant's weights to a server. Raises ModelNotFound if deleted, Unavailable."""
        async with self._database.transaction() as session:
            version = await find_variant_with_weights(session, account_id, variant_id)
            if version is None:
                # Versions of shared models belong to the platform; every account may call them.
                version = await find_version_with_weights(session, variant_id)
        if version is None:
            raise ModelNotFound("The model was deleted a moment ago.", param="model")
        body = encode_variant(version)
        path = variant_path(model, variant_id)
        status, _ = await self._upstream.put(server, path, _JSON, body, _TIMEOUT_S)
        if status != 200:
            raise Unavailable(VARIANT_UNLOADABLE)


def variant_path(model: Model, variant_id: UUID) -> str:
    """Return the URL path at which a server loads and unloads a variant or version of a model."""
    kind = "adapters" if model.task is Task.TEXT_GENERATION else "models"
    return f"/v2/{kind}/{ids.format_id(PREFIX, variant_id)}"


def encode_variant(version: StoredVersion) -> bytes:
    """Encode a variant or version as the body of a load request."""
    return msgspec.json.encode(
        {
            "base": version.base,
            "name": version.public_name,
            "version": str(version.version),
            "artefact": version.artefact,
        }
    )
