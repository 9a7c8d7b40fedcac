"""Availability: which models of the catalog this deployment serves.

A model is served where a server that is configured for it says so: our own serving names the models
that it has (`/v2/health/ready`), other servers list theirs (`/v1/models`). Only what is served is
listed, quoted, priced for a choice and accepted as a job. Owns that answer for one process, and
asking for it again and again.
"""

import asyncio
from contextlib import suppress
from typing import Any

import msgspec

from gateway.call.errors import ModelNotInstalled
from gateway.upstream.client import Upstream
from gateway.upstream.load_balancer import Router
from infra.errors import AppError
from infra.timing import USUAL, Timing
from models.catalog import Catalog, Model
from models.extras import installed

_SECONDS = 3.0


class _Ready(msgspec.Struct):
    models: dict[str, Any] = {}


class _Listed(msgspec.Struct):
    id: str = ""


class _List(msgspec.Struct):
    data: list[_Listed] = []


_READY, _LIST = msgspec.json.Decoder(_Ready), msgspec.json.Decoder(_List)


class Availability:
    """Of one gateway process. `start` asks the servers once, and goes on; `stop` it at the end."""

    def __init__(
        self, catalog: Catalog, router: Router, upstream: Upstream, timing: Timing = USUAL
    ) -> None:
        self._timing = timing
        self._whole = catalog
        self._router = router
        self._upstream = upstream
        self._said: dict[str, frozenset[str] | None] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def catalog(self) -> Catalog:
        """The models that are served."""
        return self._whole.only(self.serves)

    def serves(self, model: Model) -> bool:
        """Whether a server of the model lists it, or does not say what it has. Until one has
        answered, a model of an optional extra is served where that is installed here."""
        servers = self._router.servers(model.id)
        said = [self._said[server] for server in servers if server in self._said]
        if not said:
            return bool(servers) and installed(model)
        return any(listed is None or model.id in listed for listed in said)

    def require(self, model: Model) -> None:
        """Raises ModelNotInstalled."""
        if not self.serves(model):
            raise not_served(model.id)

    async def start(self) -> None:
        await self.ask()
        self._task = asyncio.create_task(self._run(), name="availability")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def ask(self) -> None:
        """Ask each server. One that does not answer is taken for what it said last."""
        servers = {url for one in self._whole.models for url in self._router.servers(one)}
        for said in await asyncio.gather(*(self._ask(server) for server in sorted(servers))):
            self._said |= said

    async def _ask(self, server: str) -> dict[str, frozenset[str] | None]:
        """What one server says that it has, None where it does not say; empty where it is away."""
        try:
            _, body = await self._upstream.get(server, "/v2/health/ready", _SECONDS)
            named = _names(_READY, body)
            if not named:
                _, body = await self._upstream.get(server, "/v1/models", _SECONDS)
                named = _names(_LIST, body)
        except AppError:
            return {}
        return {server: named or None}

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._timing.availability_s)
            await self.ask()


def not_served(model_id: str) -> ModelNotInstalled:
    """The fact, by the name that was asked for."""
    return ModelNotInstalled(
        f"This deployment does not serve the model `{model_id[:100]}`. GET /v1/models lists those "
        "that it serves.",
        param="model",
    )


def _names(
    decoder: "msgspec.json.Decoder[_Ready] | msgspec.json.Decoder[_List]", body: bytes
) -> frozenset[str]:
    """The models that a document names; none where it is not such a document."""
    try:
        found = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return frozenset()
    if isinstance(found, _Ready):
        return frozenset(found.models)
    return frozenset(one.id for one in found.data if one.id)
