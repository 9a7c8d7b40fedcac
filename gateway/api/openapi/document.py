"""The OpenAPI document, and the Swagger UI page that shows it.

The page's assets are served from this machine, because a plant's network may have no internet
access.
"""

from typing import Any

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.openapi.spec import Components, Contact, SecurityScheme
from litestar.static_files import create_static_files_router

from gateway.api import (
    alerts,
    batches,
    feedback,
    files,
    guards,
    messages,
    model_selection,
    notifications,
)
from gateway.api.admin.bodies import BODIES as ADMIN_BODIES
from gateway.api.agents import a2a
from gateway.api.agents import board as agent_board
from gateway.api.agents import bodies as agents
from gateway.api.agents import learning as agent_learning
from gateway.api.agents import limits as agent_limits
from gateway.api.agents import replays as agent_replays
from gateway.api.agents import rounds as agent_rounds
from gateway.api.agents import runs as agent_runs
from gateway.api.agents import schedules as agent_schedules
from gateway.api.agents import warnings as agent_warnings
from gateway.api.billing import (
    auto_top_up,
    fapiao,
    invoice_payments,
    line_disputes,
    packs,
    payment_orders,
    subscription,
)
from gateway.api.openapi.mcp import mcp_paths
from gateway.api.openapi.metered_calls import metered_paths
from gateway.api.openapi.responses import ERROR_SCHEMAS, REF_TEMPLATE, with_error_responses
from gateway.api.openapi.tags import TAGS, with_tags
from gateway.api.outcomes import contracts, evidence, predictions, settlements
from gateway.api.outcomes import outcomes as claims
from gateway.api.own_models import (
    comparisons,
    evaluations,
    fine_tuning,
    observations,
    retraining,
    shadows,
)
from gateway.api.plant import (
    alignment,
    epcis_queries,
    identifiers,
    questions,
    readings,
    work_orders,
)
from gateway.api.plant import bodies as plant
from gateway.api.plant import commands as plant_commands
from gateway.api.projects import keys as project_keys
from gateway.api.projects import members, projects, service_accounts
from gateway.api.signups import routes as signups
from gateway.wire import vector_stores
from infra.frontend_files import frontend_folder
from models.catalog import Catalog

_REQUEST_BODIES = {
    **files.BODIES,
    **messages.BODIES,
    **subscription.BODIES,
    **alerts.BODIES,
    **notifications.BODIES,
    **guards.BODIES,
    **model_selection.BODIES,
    **contracts.BODIES,
    **evidence.BODIES,
    **claims.BODIES,
    **settlements.BODIES,
    **predictions.BODIES,
    **line_disputes.BODIES,
    **fapiao.BODIES,
    **payment_orders.BODIES,
    **projects.BODIES,
    **members.BODIES,
    **service_accounts.BODIES,
    **project_keys.BODIES,
    **invoice_payments.BODIES,
    **packs.BODIES,
    **auto_top_up.BODIES,
    **fine_tuning.BODIES,
    **evaluations.BODIES,
    **batches.BODIES,
    **comparisons.BODIES,
    **vector_stores.BODIES,
    **feedback.BODIES,
    **observations.BODIES,
    **readings.BODIES,
    **shadows.BODIES,
    **retraining.BODIES,
    **plant.BODIES,
    **alignment.BODIES,
    **questions.BODIES,
    **signups.BODIES,
    **epcis_queries.BODIES,
    **identifiers.BODIES,
    **agents.BODIES,
    **agent_board.BODIES,
    **agent_learning.BODIES,
    **agent_limits.BODIES,
    **plant_commands.BODIES,
    **work_orders.BODIES,
    **agent_rounds.BODIES,
    **agent_replays.BODIES,
    **agent_runs.BODIES,
    **agent_schedules.BODIES,
    **agent_warnings.BODIES,
    **a2a.BODIES,
    **ADMIN_BODIES,
}


class SwaggerPage(SwaggerRenderPlugin):
    """Swagger UI of the complete document; Litestar's own page lacks the metered calls."""

    def __init__(self, catalog: Catalog, **values: Any) -> None:
        super().__init__(**values)
        self._catalog = catalog

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the HTML page with the complete document."""
        return super().render(request, build_document(openapi_schema, self._catalog))


class JsonDocument(JsonRenderPlugin):
    """The complete document as JSON at `/docs/openapi.json`."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self._catalog = catalog

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the complete document as JSON."""
        return super().render(request, build_document(openapi_schema, self._catalog))


def openapi_config(catalog: Catalog) -> OpenAPIConfig:
    """Return Litestar's OpenAPI configuration: title, security, tags and paths."""
    return OpenAPIConfig(
        title="Model as a Service",
        version="1",
        description=(
            "Industrial language models and specialist models with one API key and one "
            "bill. Select *Authorize* and enter an API key to try calls; they are "
            "metered and billed. Errors have OpenAI's shape; see docs/errors.md for the "
            "codes."
        ),
        contact=Contact(name="Platform operator"),
        path="/docs",
        render_plugins=[
            SwaggerPage(
                catalog,
                path="/",
                favicon="<link rel='icon' href='/docs/assets/favicon-32x32.png'>",
                js_url="/docs/assets/swagger-ui-bundle.js",
                css_url="/docs/assets/swagger-ui.css",
                standalone_preset_js_url="/docs/assets/swagger-ui-standalone-preset.js",
            ),
            JsonDocument(catalog),
        ],
        components=Components(
            security_schemes={
                "api_key": SecurityScheme(
                    type="http", scheme="bearer", description="An API key, `maas_…`"
                ),
                "admin_key": SecurityScheme(
                    type="http", scheme="bearer", description="An admin key, `maas_admin_…`"
                ),
            }
        ),
        security=[{"api_key": []}],
        tags=list(TAGS),
    )


def document_route(catalog: Catalog) -> HTTPRouteHandler:
    """Return the handler of `GET /openapi.json`, the complete OpenAPI document."""

    @get("/openapi.json", include_in_schema=False, sync_to_thread=False)
    def openapi_document(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return build_document(request.app.openapi_schema.to_schema(), catalog)

    return openapi_document


def assets_router() -> Any:
    """Return the router that serves Swagger UI's static files."""
    folder = frontend_folder() / "swagger-ui"
    return create_static_files_router(
        path="/docs/assets", directories=[folder], include_in_schema=False
    )


def build_document(document: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Return Litestar's document with metered calls, request bodies and error responses added."""
    metered, metered_schemas = metered_paths(catalog)
    paths = dict(document.get("paths", {}))
    body_refs, body_schemas = msgspec.json.schema_components(
        _REQUEST_BODIES.values(), ref_template=REF_TEMPLATE
    )
    for path, body_ref in zip(_REQUEST_BODIES, body_refs, strict=True):
        method = "post" if "post" in paths[path] else "put"
        operation = {**paths[path][method], "requestBody": _request_body(body_ref)}
        paths[path] = {**paths[path], method: operation}
    components = document.get("components", {})
    schemas = {**metered_schemas, **components.get("schemas", {}), **body_schemas, **ERROR_SCHEMAS}
    ordered = {
        **metered,
        **with_error_responses(with_tags(paths)),
        **mcp_paths(),
    }
    return {**document, "paths": ordered, "components": {**components, "schemas": schemas}}


def _request_body(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI `requestBody` of a required JSON body with this schema."""
    return {"required": True, "content": {"application/json": {"schema": schema}}}
