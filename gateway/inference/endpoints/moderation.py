"""`POST /v1/moderations`, where the catalog has a model with the task `moderation`."""

from functools import partial

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.values import Call, Operation, Principal
from gateway.inference.endpoints.endpoint import DecodedRequest, Endpoint
from gateway.inference.model_selection import ModelSelector, SelectionCriteria
from gateway.inference.token_count import PromptFormat
from gateway.wire.moderation.requests import build_moderation_request, parse_moderation_request
from infra import ids
from models.catalog import Task


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate a request; without a model, the first one of the catalog answers."""
    name, checked = parse_moderation_request(body)
    public_id = ids.format_id(REQUEST_ID_PREFIX, call.request_id)
    for_model = partial(build_moderation_request, checked=checked, public_id=public_id)
    criteria = SelectionCriteria(principal.model_prices, rows=checked.count)
    return DecodedRequest(name, for_model, criteria=criteria)


# Not in the OpenAPI document: the built-in catalog has no model to show examples of. The texts are
# not checked by the account's guard: they are sent to be checked.
MODERATION = Endpoint(
    operation=Operation.MODERATION,
    path="/v1/moderations",
    label="Moderation",
    tasks=frozenset({Task.MODERATION}),
    decode=_decode,
    select_model=ModelSelector.select_for_moderation,
    prompt=PromptFormat("messages", has_policy=True),
)
