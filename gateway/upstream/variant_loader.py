"""Bringing an account's variant, or a shared model's version, to a server that has not got it, and
having a deleted one removed.
"""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from uuid import UUID

import msgspec

from gateway.call.errors import ModelNotFound, Unavailable
from gateway.registry.variants import PREFIX, Stored, stored
from gateway.registry.versions import stored_version
from gateway.upstream.client import Upstream
from infra import ids
from infra.database.database import Database
from infra.errors import AppError
from infra.single_flight import SingleFlight
from models.catalog import Model, Task

# Behind one address may be several machines, of which each is to be given a variant: so often a
# call is asked again. The processes of one machine share what any of them was given.
MOST_LOADS = 3
UNLOADABLE = "The variant cannot be loaded just now. The call is not billed."
# Specialists that sleep take some seconds to wake.
_SECONDS = 30.0
_JSON = {"content-type": "application/json"}


class VariantLoader:
    """Of one gateway process."""

    def __init__(self, database: Database, upstream: Upstream) -> None:
        self._database = database
        self._upstream = upstream
        self._loading = SingleFlight[tuple[str, UUID], None]()

    async def load(self, server: str, account_id: UUID, model: Model, variant_id: UUID) -> None:
        """Return when the server has it, a variant of `model`. Raises ModelNotFound, Unavailable,
        as Upstream does."""
        work = partial(self._load, server, account_id, model, variant_id)
        await self._loading.do((server, variant_id), work)

    async def forget(self, servers: Iterable[str], model: Model, variants: Iterable[UUID]) -> None:
        """Have what was deleted removed from these, as far as they answer: what one of them keeps
        nobody can call, and it goes when nobody has for a day."""
        paths = [path_of(model, variant_id) for variant_id in variants]
        for server in servers:
            with suppress(AppError):
                for path in paths:
                    await self._upstream.delete(server, path, _SECONDS)

    async def _load(self, server: str, account_id: UUID, model: Model, variant_id: UUID) -> None:
        async with self._database.transaction() as session:
            version = await stored(session, account_id, variant_id)
            if version is None:
                # The platform's own answers every account: it is nobody's to be kept from.
                version = await stored_version(session, variant_id)
        if version is None:
            raise ModelNotFound("The model was deleted just now.", param="model")
        body = carried(version)
        path = path_of(model, variant_id)
        status, _ = await self._upstream.put(server, path, _JSON, body, _SECONDS)
        if status != 200:
            raise Unavailable(UNLOADABLE)


def path_of(model: Model, variant_id: UUID) -> str:
    """Where a server is given a variant of the model, or a version."""
    kind = "adapters" if model.task is Task.TEXT_GENERATION else "models"
    return f"/v2/{kind}/{ids.show(PREFIX, variant_id)}"


def carried(version: Stored) -> bytes:
    """A version as a server takes it."""
    return msgspec.json.encode(
        {
            "base": version.base,
            "name": version.shown,
            "version": str(version.version),
            "artefact": version.artefact,
        }
    )
