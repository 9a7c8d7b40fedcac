"""Groups of the OpenAPI document: which address is listed under which heading, and in what order.

Metered calls name theirs themselves (gateway/api/openapi/metered_calls.py).
"""

from collections.abc import Mapping
from typing import Any

from litestar.openapi.spec import Tag

INFERENCE = "Inference"
_OPERATION = "Health and metrics"
# By the beginning of an address; the first that fits.
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Models": ("/v1/models", "/v2/models", "/v2/health"),
    "Usage and cost": ("/v1/usage", "/v1/quote", "/v1/route", "/v1/organization"),
    "Files and vector stores": ("/v1/files", "/v1/vector_stores"),
    "Fine-tuning and feedback": ("/v1/fine_tuning", "/v1/feedback"),
    "Billing": (
        "/v1/invoices",
        "/v1/subscription",
        "/v1/plans",
        "/v1/wallet",
        "/v1/payment-pages",
        "/stripe/",
    ),
    "Outcomes": ("/v1/outcomes",),
    "Alerts": ("/v1/alerts",),
}
TAGS = (
    Tag(name=INFERENCE, description="Metered calls: text, embeddings, specialist models"),
    Tag(name="Models", description="Models that can be called, their inputs and prices"),
    Tag(name="Usage and cost", description="Calls made, what they cost, what a call would cost"),
    Tag(name="Files and vector stores", description="Documents for fine-tuning and search"),
    Tag(name="Fine-tuning and feedback", description="Models adapted to an account's own data"),
    Tag(name="Billing", description="Plan, invoices, wallet"),
    Tag(name="Outcomes", description="Contracts that are paid by results"),
    Tag(name="Alerts", description="Where alerts about usage and limits are sent"),
    Tag(name=_OPERATION, description="For monitoring"),
)


def with_tags(paths: Mapping[str, Any]) -> dict[str, Any]:
    """The paths, each operation in its group."""
    return {
        address: {
            method: {**operation, "tags": [_group(address)]}
            for method, operation in operations.items()
        }
        for address, operations in paths.items()
    }


def _group(address: str) -> str:
    found = (name for name, beginnings in _GROUPS.items() if address.startswith(beginnings))
    return next(found, _OPERATION)
