"""Where a replica has its customers' variants from: its memory, else the machine's folder.

Owns the order, that a variant which many requests wait for is loaded once, and the event loop's
ease: reading, loading and writing are in threads.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from infra.errors import AppError
from infra.single_flight import SingleFlight
from serving.errors import InputInvalid
from serving.specialists.specialist import Specialist
from serving.specialists.variant_cache import Variant, Variants
from serving.variant_folder import VariantFolder


class Given(msgspec.Struct, frozen=True):
    """A variant as it is brought: what to call it, and what it is made from."""

    base: str
    name: str
    version: str
    artefact: bytes


Find = Callable[[str], Specialist]
"""The base of this name. Raises ModelUnknown."""


class VariantShelf:
    """Of one replica. An id stands for one content for ever, so nothing here becomes stale."""

    def __init__(self, bases: Find, folder: VariantFolder) -> None:
        self._bases = bases
        self._folder = folder
        self._memory = Variants()
        self._reading = SingleFlight[str, Variant | None]()

    async def find(self, variant_id: str) -> Variant | None:
        """The variant; None where this machine has not got it."""
        variant = self._memory.find(variant_id)
        if variant is not None:
            return variant
        return await self._reading.run(variant_id, partial(self._read, variant_id))

    async def put(self, variant_id: str, body: bytes) -> str:
        """Load it and keep it; its name. Raises InputInvalid, ModelUnknown, WeightsBroken."""
        given, variant = await asyncio.to_thread(self._understood, body)
        self._memory.put(variant_id, variant)
        await asyncio.to_thread(self._folder.write, variant_id, msgspec.msgpack.encode(given))
        return given.name

    async def drop(self, variant_id: str) -> None:
        """Other replicas keep what they have in memory, for a day at most (variant_cache.py)."""
        self._memory.drop(variant_id)
        await asyncio.to_thread(self._folder.remove, variant_id)

    async def _read(self, variant_id: str) -> Variant | None:
        variant = await asyncio.to_thread(self._stored, variant_id)
        if variant is not None:
            self._memory.put(variant_id, variant)
        return variant

    def _stored(self, variant_id: str) -> Variant | None:
        content = self._folder.read(variant_id)
        if content is None:
            return None
        try:
            return self._loaded(msgspec.msgpack.decode(content, type=Given))
        except (msgspec.DecodeError, AppError):
            # Written by an earlier release, for a base that was another: it is to be given anew.
            self._folder.remove(variant_id)
            return None

    def _understood(self, body: bytes) -> tuple[Given, Variant]:
        try:
            given = msgspec.json.decode(body, type=Given)
        except msgspec.DecodeError as error:
            raise InputInvalid(f"This is no variant: {error}.") from error
        return given, self._loaded(given)

    def _loaded(self, given: Given) -> Variant:
        made = self._bases(given.base).adapted(given.name, given.version, given.artefact)
        return Variant(made, given.base, len(given.artefact))
