"""The columns of specialist models, as their servers declare them, kept for some minutes.

A list of tools needs the columns of all models. They change with a new version only, whose server
name differs, or with a new release of the service.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

import msgspec
import structlog

from gateway.call.values import Principal, ResolvedModel
from gateway.upstream.model_metadata import ModelMetadata
from infra.clock import Clock
from infra.errors import AppError

_KEPT_S, _FAILED_KEPT_S = 300.0, 15.0
_MAX_KEPT = 1_000
_FETCH_TIMEOUT_S = 5.0
_CONCURRENCY = 8


class Column(msgspec.Struct, frozen=True):
    """An input or output column (models/signature.py)."""

    name: str
    datatype: str
    unit: str | None = None
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] | None = None
    trained: tuple[float, float] | None = None
    length: tuple[int, int] | None = None
    optional: bool = False
    default: float | None = None
    nullable: bool = False
    series: bool = False
    shape: tuple[int, ...] = ()


class Signature(msgspec.Struct, frozen=True):
    """The columns of a model, and its version."""

    inputs: tuple[Column, ...] = ()
    outputs: tuple[Column, ...] = ()
    version: str = ""


class _Parameters(msgspec.Struct, frozen=True):
    """The parameters in a model's metadata."""

    signature: Signature = Signature()


class _Metadata(msgspec.Struct, frozen=True):
    """The Open Inference metadata of a model."""

    parameters: _Parameters = _Parameters()


@dataclass(frozen=True, slots=True)
class _Kept:
    """A signature, None if the server did not declare one, and until when it is kept."""

    signature: Signature | None
    until: float


_METADATA = msgspec.json.Decoder(_Metadata)


class Signatures:
    """Signatures of models, fetched from their servers at first use."""

    def __init__(self, metadata: ModelMetadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._running = asyncio.Semaphore(_CONCURRENCY)
        self._log = structlog.get_logger()

    async def get(self, resolved: ResolvedModel, principal: Principal) -> Signature | None:
        """Return a model's signature; None if its server does not answer with one."""
        known = self._find(resolved.upstream_name)
        if known is not None:
            return known.signature
        async with self._running:
            known = self._find(resolved.upstream_name)
            if known is None:
                known = self._keep(resolved.upstream_name, await self._fetch(resolved, principal))
        return known.signature

    def _find(self, name: str) -> _Kept | None:
        """Return what is kept of a model, None if there is nothing or it is too old."""
        known = self._kept.get(name)
        return known if known is not None and known.until > self._clock.monotonic() else None

    def _keep(self, name: str, signature: Signature | None) -> _Kept:
        """Keep a signature, or for a shorter time that there is none; drop the oldest."""
        kept_s = _FAILED_KEPT_S if signature is None else _KEPT_S
        known = self._kept[name] = _Kept(signature, self._clock.monotonic() + kept_s)
        self._kept.move_to_end(name)
        while len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return known

    async def _fetch(self, resolved: ResolvedModel, principal: Principal) -> Signature | None:
        """Return the signature that the model's server declares, None if it declares none."""
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_S):
                status, body = await self._metadata.fetch(resolved, principal.account_id, "")
            signature = _METADATA.decode(body).parameters.signature if status == 200 else None
        except (AppError, TimeoutError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._log.warning(
                "a signature was not read", model=resolved.model.id, reason=repr(error)
            )
            return None
        return signature if signature is not None and signature.inputs else None
