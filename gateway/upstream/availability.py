"""Which models of the catalog this deployment serves, polled from the configured servers.

A model is served if a server configured for it lists it: this project's serving lists its models in
`/v2/health/ready`, other servers in `/v1/models`. Only served models are listed, quoted, chosen and
accepted for jobs.
"""

import asyncio
from contextlib import suppress
from typing import Any

import msgspec

from gateway.call.errors import ModelNotFound, ModelNotInstalled
from gateway.upstream.client import UpstreamClient
from gateway.upstream.load_balancer import Router
from gateway.upstream.server_specs import ServerSpec, parse_upstreams
from infra.errors import AppError
from infra.settings import SettingsInvalid
from infra.timing import DEFAULT_TIMING, Timing
from models.catalog import Catalog, Model
from models.extras import is_installed

_TIMEOUT_S = 3.0


class _ReadyResponse(msgspec.Struct):
    """The body of `/v2/health/ready` of this project's serving: models by id."""

    models: dict[str, Any] = {}


class _ListedModel(msgspec.Struct):
    id: str = ""


class _ModelList(msgspec.Struct):
    """The body of OpenAI's `/v1/models`."""

    data: list[_ListedModel] = []


_READY, _LIST = msgspec.json.Decoder(_ReadyResponse), msgspec.json.Decoder(_ModelList)


class Availability:
    """The served models, as one gateway process knows them from polling the servers.

    `start` polls once and starts the background task; `stop` ends it.
    """

    def __init__(
        self,
        catalog: Catalog,
        router: Router,
        upstream: UpstreamClient,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self._timing = timing
        self._full_catalog = catalog
        self._router = router
        self._upstream = upstream
        self._listed_by_server: dict[str, frozenset[str] | None] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def catalog(self) -> Catalog:
        """The catalog restricted to the served models."""
        return self._full_catalog.filter(self.is_served)

    def is_served(self, model: Model) -> bool:
        """Whether a server of the model lists it or lists no models, or an upstream serves it.

        Until a server has answered, a model of an optional extra counts as served if the extra is
        installed here.
        """
        if self._router.upstream_names(model.id):
            return True
        servers = self._router.server_urls(model.id)
        lists = self._listed_by_server
        known_lists = [lists[server] for server in servers if server in lists]
        if not known_lists:
            return bool(servers) and is_installed(model)
        return any(model_ids is None or model.id in model_ids for model_ids in known_lists)

    def require_served(self, model: Model) -> None:
        """Raise ModelNotInstalled if the model is not served."""
        if not self.is_served(model):
            raise model_not_served(model.id)

    async def start(self) -> None:
        """Poll the servers once, then periodically in a background task."""
        await self.refresh()
        self._task = asyncio.create_task(self._refresh_periodically(), name="availability")

    async def stop(self) -> None:
        """End the background task."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def refresh(self) -> None:
        """Poll each server for its models. A server that does not answer keeps its last list."""
        servers = {
            url
            for model_id in self._full_catalog.models
            for url in self._router.server_urls(model_id)
        }
        fetches = (self._fetch_model_ids(server) for server in sorted(servers))
        for listed in await asyncio.gather(*fetches):
            self._listed_by_server |= listed
            for url, model_ids in listed.items():
                self._router.set_listed_models(url, model_ids)

    async def _fetch_model_ids(self, server: str) -> dict[str, frozenset[str] | None]:
        """Return the model ids that a server lists, by its URL (None if it lists no models).

        Returns an empty dictionary if the server does not answer.
        """
        try:
            _, body = await self._upstream.get(server, "/v2/health/ready", _TIMEOUT_S)
            model_ids = _decode_model_ids(_READY, body)
            if not model_ids:
                _, body = await self._upstream.get(server, "/v1/models", _TIMEOUT_S)
                model_ids = _decode_model_ids(_LIST, body)
        except AppError:
            return {}
        return {server: model_ids or None}

    async def _refresh_periodically(self) -> None:
        """Call `refresh` every `availability_s` seconds until cancelled."""
        while True:
            await asyncio.sleep(self._timing.availability_s)
            await self.refresh()


def find_catalog_model(catalog: Catalog, name: str) -> Model:
    """Return the catalog's model of this id. Raises ModelNotFound.

    The error names the replacement if the model is retired.
    """
    model = catalog.find(name)
    if model is None:
        raise _model_not_found(catalog, name)
    return model


def parse_model_servers(text: str, catalog: Catalog) -> tuple[ServerSpec, ...]:
    """Parse MAAS_SERVING_URL and check its models against the catalog. Raises SettingsInvalid."""
    specs = parse_upstreams(text)
    for spec in specs:
        if spec.model is not None and spec.model not in catalog.models:
            replacement = catalog.retired.get(spec.model)
            advice = "" if replacement is None else f" It was removed; use {replacement!r} instead."
            raise SettingsInvalid(
                f"MAAS_SERVING_URL names {spec.model!r}, which is not in the catalog.{advice}"
            )
    return specs


def _model_not_found(catalog: Catalog, name: str) -> ModelNotFound:
    """Return the error for an id that the catalog does not have."""
    replacement = catalog.retired.get(name)
    if replacement is not None:
        return ModelNotFound(
            f"The model {name!r} has been removed. Use {replacement!r} instead. GET /v1/models "
            "lists the available models.",
            param="model",
        )
    return ModelNotFound(
        f"The model {name[:100]!r} does not exist. GET /v1/models lists the available models.",
        param="model",
    )


def model_not_served(model_id: str) -> ModelNotInstalled:
    """Return the error, with the requested id, for a model that this deployment does not serve."""
    return ModelNotInstalled(
        f"This deployment does not serve the model `{model_id[:100]}`. GET /v1/models "
        "lists the served models.",
        param="model",
    )


def _decode_model_ids(
    decoder: "msgspec.json.Decoder[_ReadyResponse] | msgspec.json.Decoder[_ModelList]", body: bytes
) -> frozenset[str]:
    """Return the model ids in a response body; empty if the body has another format."""
    try:
        response = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return frozenset()
    if isinstance(response, _ReadyResponse):
        return frozenset(response.models)
    return frozenset(model.id for model in response.data if model.id)
