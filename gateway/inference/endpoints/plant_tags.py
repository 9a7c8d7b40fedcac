"""`POST /v1/tags/align` and `/v1/tags/propose`: concepts of a plant's tags, and what to confirm."""

from functools import partial
from typing import Any

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.values import Call, Operation, Principal
from gateway.inference.endpoints.endpoint import DecodedRequest, Endpoint
from gateway.wire import plant_tags
from gateway.wire.documentation import Documentation, Examples
from infra import ids
from models.catalog import Task

_TASKS = frozenset({Task.ALIGNMENT})
_TAGS = ["AHU1_ZuluftTemp", "R12_Raumtemp", "R14_Raumtemp"]
_CONCEPTS = [
    {"id": "RT", "name": "Room temperature", "aliases": ["Raumtemperatur"]},
    {"id": "SAT", "name": "Supply air temperature", "aliases": ["Zulufttemperatur"]},
]
_CANDIDATES = [{"concept": "RT", "score": 0.96}, {"concept": "SAT", "score": 0.34}]
_ID = "req_019acb00c47d7c11b3f0a5d2e8c96f41"


def _decode_alignment(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate tags to align."""
    request = plant_tags.parse_alignment_request(body)
    build = partial(plant_tags.build_alignment_request, request=request, public_id=_public_id(call))
    return DecodedRequest(request.model, build)


def _decode_proposal(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate tags to rank."""
    request = plant_tags.parse_proposal_request(body)
    build = partial(plant_tags.build_proposal_request, request=request, public_id=_public_id(call))
    return DecodedRequest(request.model, build)


def _public_id(call: Call) -> str:
    """Return the id of the response."""
    return ids.format_id(REQUEST_ID_PREFIX, call.request_id)


def _alignment_examples(model: str) -> Examples:
    """Return OpenAPI examples of an alignment, also with own concepts."""
    own = {"model": model, "tags": _TAGS, "concepts": _CONCEPTS}
    entry = {
        "object": "tag",
        "index": 1,
        "tag": _TAGS[1],
        "concept": "RT",
        "name": "Room temperature",
        "score": 0.96,
        "basis": "letters",
        "candidates": _CANDIDATES,
        "notation": "flat",
        "kind": "point",
        "equipment": None,
        "unit": None,
        "unit_basis": None,
    }
    requests = {"Tags of a building": {"model": model, "tags": _TAGS}, "Your own concepts": own}
    return Examples(requests, _answer(model, [entry]))


def _proposal_examples(model: str) -> Examples:
    """Return OpenAPI examples of a proposal, also with own concepts."""
    own = {"model": model, "tags": _TAGS, "concepts": _CONCEPTS, "count": 2}
    entry = {
        "object": "tag.proposal",
        "rank": 1,
        "index": 1,
        "tag": _TAGS[1],
        "concept": "RT",
        "name": "Room temperature",
        "score": 0.96,
        "candidates": _CANDIDATES,
    }
    requests = {
        "What to confirm first": {"model": model, "tags": _TAGS},
        "Your own concepts": own,
    }
    return Examples(requests, _answer(model, [entry]))


def _answer(model: str, data: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an example response with some of its entries."""
    return {
        "id": _ID,
        "object": "list",
        "model": model,
        "data": data,
        "usage": {"rows": len(_TAGS)},
    }


TAG_ALIGNMENT = Endpoint(
    operation=Operation.TAG_ALIGNMENT,
    path="/v1/tags/align",
    label="Tag alignment",
    tasks=_TASKS,
    decode=_decode_alignment,
    quote_field="tags",
    documentation=Documentation(
        request=plant_tags.TagAlignmentRequest,
        answer=plant_tags.TagAlignmentList,
        summary="Align plant tags with a vocabulary or with your own concepts",
        description=(
            "Returns the likeliest concepts of each tag, with equipment and unit where the tag "
            "shows them. `concepts` replaces the vocabulary by your own list. Each tag is billed "
            "as one row, like a row of `/v1/predictions`."
        ),
        examples=_alignment_examples,
        example_task=Task.ALIGNMENT,
    ),
)
TAG_PROPOSAL = Endpoint(
    operation=Operation.TAG_PROPOSAL,
    path="/v1/tags/propose",
    label="Tags to confirm first",
    tasks=_TASKS,
    decode=_decode_proposal,
    quote_field="count",
    documentation=Documentation(
        request=plant_tags.TagProposalRequest,
        answer=plant_tags.TagProposalList,
        summary="Propose which plant tags to confirm first",
        description=(
            "Ranks the tags of one plant: each proposed tag stands for the most tags that neither "
            "an earlier one nor a confirmation of the fine-tuned model stands for. Confirm them "
            "in this order and train on the confirmations. All tags are billed as rows."
        ),
        examples=_proposal_examples,
        example_task=Task.ALIGNMENT,
    ),
)
