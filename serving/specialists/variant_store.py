"""Customers' fine-tuned models (variants): a replica's memory cache before a shared folder.

Concurrent requests for a variant load it once. Reading, loading and writing run in threads.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from infra.errors import AppError
from infra.single_flight import SingleFlight
from serving.errors import InputInvalid
from serving.specialists.specialist import Specialist
from serving.specialists.variant_cache import LoadedVariant, VariantCache
from serving.variant_folder import VariantFolder


class VariantUpload(msgspec.Struct, frozen=True):
    """An uploaded variant: its base model, public name, version and artefact."""

    base: str
    name: str
    version: str
    artefact: bytes


FindBase = Callable[[str], Specialist]
"""Returns the base model of a name. Raises ModelNotFound."""


class VariantStore:
    """The variants of one replica by id. The content of an id never changes."""

    def __init__(self, find_base: FindBase, folder: VariantFolder) -> None:
        self._find_base = find_base
        self._folder = folder
        self._memory = VariantCache()
        self._single_flight = SingleFlight[str, LoadedVariant | None]()

    async def find(self, variant_id: str) -> LoadedVariant | None:
        """Return the loaded variant; None if it is neither in memory nor in the folder."""
        variant = self._memory.get(variant_id)
        if variant is not None:
            return variant
        return await self._single_flight.run(variant_id, partial(self._read_through, variant_id))

    async def put(self, variant_id: str, body: bytes) -> str:
        """Load an uploaded variant, store it and return its public name.

        Raises InputInvalid, ModelNotFound or WeightsBroken.
        """
        upload, variant = await asyncio.to_thread(self._load_upload, body)
        self._memory.put(variant_id, variant)
        await asyncio.to_thread(self._folder.write, variant_id, msgspec.msgpack.encode(upload))
        return upload.name

    async def remove(self, variant_id: str) -> None:
        """Delete a variant; other replicas drop it with their next `drop_deleted`."""
        self._memory.remove(variant_id)
        await asyncio.to_thread(self._folder.mark_deleted, variant_id)

    async def drop_deleted(self) -> None:
        """Drop variants from memory that another replica of this machine was told to delete."""
        if len(self._memory):
            for variant_id in await asyncio.to_thread(self._folder.list_deleted):
                self._memory.remove(variant_id)

    async def _read_through(self, variant_id: str) -> LoadedVariant | None:
        """Load a variant from the folder in a thread and cache it."""
        variant = await asyncio.to_thread(self._load_from_folder, variant_id)
        if variant is not None:
            self._memory.put(variant_id, variant)
        return variant

    def _load_from_folder(self, variant_id: str) -> LoadedVariant | None:
        """Load a stored variant; delete it and return None if it cannot be loaded."""
        content = self._folder.read(variant_id)
        if content is None:
            return None
        try:
            return self._load(msgspec.msgpack.decode(content, type=VariantUpload))
        except (msgspec.DecodeError, AppError):
            # Written by an earlier release for another base; the gateway has to upload it again.
            self._folder.remove(variant_id)
            return None

    def _load_upload(self, body: bytes) -> tuple[VariantUpload, LoadedVariant]:
        """Parse and load an uploaded variant. Raises InputInvalid, ModelNotFound, WeightsBroken."""
        try:
            upload = msgspec.json.decode(body, type=VariantUpload)
        except msgspec.DecodeError as error:
            raise InputInvalid(f"The upload is not a valid fine-tuned model: {error}.") from error
        return upload, self._load(upload)

    def _load(self, upload: VariantUpload) -> LoadedVariant:
        """Load an uploaded variant on its base. Raises ModelNotFound, WeightsBroken."""
        base = self._find_base(upload.base)
        specialist = base.load_variant(upload.name, upload.version, upload.artefact)
        return LoadedVariant(specialist, upload.base, len(upload.artefact))
