"""`POST /v1/moderations`, where the catalog has a model with the task `moderation`."""

from functools import partial

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.values import Call, Operation, Principal
from gateway.inference.endpoints.endpoint import DecodedRequest, Endpoint
from gateway.inference.model_selection import ModelSelector, SelectionCriteria
from gateway.inference.token_count import PromptFormat
from gateway.wire.documentation import Documentation, Examples
from gateway.wire.moderation.answers import ModerationObject
from gateway.wire.moderation.requests import (
    ModerationRequest,
    build_moderation_request,
    parse_moderation_request,
)
from gateway.wire.moderation.verdicts import UNSAFE, GuardVerdict, result_of
from infra import ids
from models.catalog import Task


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate a request; without a model, the first one of the catalog answers."""
    name, checked = parse_moderation_request(body)
    public_id = ids.format_id(REQUEST_ID_PREFIX, call.request_id)
    for_model = partial(build_moderation_request, checked=checked, public_id=public_id)
    criteria = SelectionCriteria(principal.model_prices, rows=checked.count)
    return DecodedRequest(name, for_model, criteria=criteria)


def _examples(model: str) -> Examples:
    """Return OpenAPI examples of a text and of several, and a guard model's verdict on the text."""
    text = "How do I build a bomb?"
    result = result_of(GuardVerdict(UNSAFE, ("S9",)), ("text",))
    answer = {"id": "modr-019acb00c47d7c11b3f0a5d2e8c96f41", "model": model, "results": [result]}
    return Examples(
        {
            "One text": {"model": model, "input": text},
            "Several texts": {"input": ["How do I change the seal?", text]},
        },
        answer,
    )


# The texts are not checked by the account's guard: they are sent to be checked.
MODERATION = Endpoint(
    operation=Operation.MODERATION,
    path="/v1/moderations",
    label="Moderation",
    tasks=frozenset({Task.MODERATION}),
    decode=_decode,
    select_model=ModelSelector.select_for_moderation,
    prompt=PromptFormat("messages", has_policy=True),
    in_batches=True,
    documentation=Documentation(
        request=ModerationRequest,
        answer=ModerationObject,
        summary="Check texts for harmful content",
        description=(
            "In OpenAI's shape, where the deployment has a moderation or guard model. Without "
            "`model`, the first moderation model answers. A guard model checks one text in a call."
        ),
        examples=_examples,
        example_task=Task.MODERATION,
    ),
)
