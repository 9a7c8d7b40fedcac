"""`/v1/models/{model}/drift`: how far the inputs of an account's own model have moved."""

from typing import Any

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.call.errors import ModelNotFound
from gateway.call.values import Principal
from gateway.drift.report import drift_json, load_drift
from gateway.registry.variants import parse_pinned_id
from infra.clock import Clock
from infra.database.database import Database


class DriftRoutes(Controller):
    """The drift of the account's own models; one of another account is reported as not found."""

    path = "/v1/models/{name:str}/drift"

    @get("/", summary="Drift of a fine-tuned model's inputs and predictions since its training")
    async def drift(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Return the drift of the current version, or of a pinned one. Raises ModelNotFound."""
        pinned = parse_pinned_id(name, principal.variants)
        public_name, text = pinned or (name, "")
        variant = principal.variants.get(public_name)
        version = 0 if variant is None else int(text) if text else variant.current_version
        if variant is None or version not in variant.versions:
            raise ModelNotFound(f"The model {name[:200]!r} does not exist.", param="model")
        async with database.transaction() as session:
            report = await load_drift(
                session, principal.account_id, variant.versions[version], clock.now()
            )
        return drift_json(public_name, version, report)
