"""The signatures of specialists, read from their servers' metadata and remembered for a while.

The name on the server of an account's version or of a promoted one is a version's id, so its
signature never changes; a catalog model's can change when its server is updated.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

import msgspec
import structlog

from gateway.call.values import ResolvedModel
from gateway.upstream.declared_inputs import parse_signature
from gateway.upstream.model_metadata import ModelMetadata
from infra.clock import Clock
from infra.errors import AppError
from infra.single_flight import SingleFlight
from models.signature import Signature

_MAX_REMEMBERED = 512
_FRESH_S = 300.0
# A server that does not tell a signature is asked again after this time.
_RETRY_S = 15.0
# A list of tools needs the signatures of all models.
_CONCURRENCY = 8
_NOTHING = Signature((), (), "")


@dataclass(frozen=True, slots=True)
class _Remembered:
    signature: Signature
    read_at: float


class Signatures:
    """The signatures that one gateway process knows. Bound to one event loop."""

    def __init__(self, metadata: ModelMetadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock
        self._known: OrderedDict[tuple[UUID | None, str], _Remembered] = OrderedDict()
        self._reading = SingleFlight[tuple[UUID | None, str], Signature]()
        self._running = asyncio.Semaphore(_CONCURRENCY)
        self._log = structlog.get_logger()

    async def find(self, resolved: ResolvedModel, account_id: UUID) -> Signature | None:
        """Return a specialist's signature; None if its server does not tell it now."""
        # A server gives an account's own version to that account only.
        key = (None if resolved.variant_id is None else account_id, resolved.upstream_name)
        known = self._known.get(key)
        is_fixed = resolved.variant_id is not None
        if known is not None:
            age = self._clock.monotonic() - known.read_at
            if known.signature is _NOTHING:
                if age < _RETRY_S:
                    return None
            elif is_fixed or age < _FRESH_S:
                return known.signature

        async def read() -> Signature:
            return await self._read(resolved, account_id)

        signature = await self._reading.run(key, read)
        self._known[key] = _Remembered(signature, self._clock.monotonic())
        while len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
        return None if signature is _NOTHING else signature

    async def _read(self, resolved: ResolvedModel, account_id: UUID) -> Signature:
        """Read a signature from the server; one without columns if it cannot be read."""
        try:
            async with self._running:
                status, body = await self._metadata.fetch(resolved, account_id, "")
            signature = parse_signature(body) if status == 200 else _NOTHING
        except (AppError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._log.warning(
                "a signature was not read", model=resolved.model.id, reason=repr(error)
            )
            return _NOTHING
        return signature if signature.inputs else _NOTHING
