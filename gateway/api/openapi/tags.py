"""Tags of the OpenAPI document: which path is listed under which heading, and their order.

Metered calls name their tag themselves (gateway/api/openapi/metered_calls.py).
"""

from collections.abc import Mapping
from typing import Any

from litestar.openapi.spec import Tag

from gateway.api.billing.collector_webhooks import webhook_paths
from gateway.api.billing.payment_notifications import notification_paths

INFERENCE = "Inference"
_OPERATIONS = "Health and metrics"
# By path prefix; the first match applies.
_PATH_PREFIXES: Mapping[str, tuple[str, ...]] = {
    INFERENCE: ("/v1/messages", "/v1/responses"),
    "Administration": ("/v1/admin",),
    "Organization": tuple(
        f"/v1/organization/{name}" for name in ("admin_api_keys", "users", "invites", "audit_logs")
    ),
    "Models": ("/v1/models", "/v2/models", "/v2/health"),
    "Projects": ("/v1/organization/projects",),
    "Usage and cost": ("/v1/usage", "/v1/quote", "/v1/route", "/v1/organization"),
    "Files and vector stores": ("/v1/files", "/v1/vector_stores"),
    "Fine-tuning and feedback": ("/v1/fine_tuning", "/v1/feedback"),
    "Evaluations": ("/v1/evals",),
    "Batches": ("/v1/batches",),
    "Billing": (
        "/v1/invoices",
        "/v1/fapiao",
        "/v1/credit",
        "/v1/subscription",
        "/v1/plans",
        "/v1/wallet",
        "/v1/payment-pages",
        "/v1/payment_orders",
        "/v1/packs",
        "/v1/vouchers",
        *webhook_paths(),
        *notification_paths(),
    ),
    "Outcomes": ("/v1/outcomes", "/v1/predictions/"),
    "Agents": ("/v1/agents", "/a2a", "/.well-known/agent-card"),
    "Alerts": ("/v1/alerts", "/v1/notification_"),
    "Guards": ("/v1/guards",),
    "Sign-up": ("/v1/signups",),
    "Service status": ("/v1/status",),
    "Identifiers and item history": (
        "/v1/plant/identifiers",
        "/v1/plant/epcis",
        "/v1/plant/trace",
    ),
    "Plant": ("/v1/plant",),
}
TAGS = (
    Tag(name=INFERENCE, description="Metered calls: text, embeddings, specialist models"),
    Tag(name="Models", description="Models with their inputs and prices"),
    Tag(name="Projects", description="Projects with people, service accounts, keys and budgets"),
    Tag(name="Usage and cost", description="Calls, their cost, and cost estimates"),
    Tag(name="Files and vector stores", description="Documents for fine-tuning and search"),
    Tag(name="Fine-tuning and feedback", description="Fine-tuned models and feedback"),
    Tag(name="Evaluations", description="Models scored on your own questions"),
    Tag(name="Batches", description="Files of calls within 24 hours, at half the price"),
    Tag(name="Billing", description="Plan, invoices, wallet"),
    Tag(name="Outcomes", description="Outcome contracts: billing by verified results"),
    Tag(name="Agents", description="Agents that watch assets: definitions, decisions, actions"),
    Tag(name="Alerts", description="Alerts and notifications: endpoints, events, deliveries"),
    Tag(name="Guards", description="Rules that refuse or mask words and personal data"),
    Tag(name="Plant", description="Plant model: assets, points, readings, imports, queries"),
    Tag(name="Sign-up", description="Open an account, if the operator allows it"),
    Tag(
        name="Identifiers and item history",
        description="Identifiers, labels, EPCIS 2.0 events and traces",
    ),
    Tag(name="Organization", description="Administration of an account, with its admin key"),
    Tag(name="Administration", description="What operators do, with a platform admin key"),
    Tag(name="Service status", description="State of the service and incidents, public"),
    Tag(name=_OPERATIONS, description="For monitoring"),
)


def with_tags(paths: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paths with a tag added to each operation."""
    return {
        path: {
            method: {**operation, "tags": [_tag_of(path)]}
            for method, operation in operations.items()
        }
        for path, operations in paths.items()
    }


def _tag_of(path: str) -> str:
    """Return the tag whose path prefixes match the path, the operations tag if none does."""
    matching = (name for name, prefixes in _PATH_PREFIXES.items() if path.startswith(prefixes))
    return next(matching, _OPERATIONS)
