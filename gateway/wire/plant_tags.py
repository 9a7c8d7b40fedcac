"""`/v1/tags/align` and `/v1/tags/propose`: a plant's tags as requests of tag alignment.

tags with own concepts -> rows of the model -> one call, metered by rows -> tags with concepts

Both are forms of the same call: the model takes concepts and lists as columns of its rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid, UpstreamFailed
from gateway.call.values import ParsedRequest, ResolvedModel
from gateway.wire import body as bodies
from gateway.wire.inference import PredictionRequest, build_prediction_request
from models.tag_align.naming import TagInvalid, validate_tag
from models.tag_align.own_concepts import (
    MAX_CONCEPTS,
    OWN_SCHEME,
    OwnConcept,
    OwnConceptsInvalid,
    build_own_concepts,
)
from models.tag_align.vocabulary import Scheme

# What a model server accepts in one call.
MAX_TAGS = 4_096
_Tags = Annotated[list[str], Meta(min_length=1, max_length=MAX_TAGS)]
_Concepts = Annotated[list[OwnConcept], Meta(min_length=1, max_length=MAX_CONCEPTS)]
_SCHEMES = (*(str(one) for one in Scheme), OWN_SCHEME)
_Range = tuple[float, float]


class TagProposalRequest(msgspec.Struct):
    """`POST /v1/tags/propose`: which of a plant's tags to confirm first.

    `scheme` names the vocabulary; without it a variant uses that of its confirmations. `concepts`
    are your own concepts, in place of a vocabulary. `count` is the most tags to return.
    """

    model: str
    tags: _Tags
    scheme: str | None = None
    concepts: _Concepts | None = None
    count: Annotated[int, Meta(ge=1, le=MAX_TAGS)] = 50


class TagAlignmentRequest(msgspec.Struct):
    """`POST /v1/tags/align`: the likeliest concepts of each tag.

    `scheme` names the vocabulary; without it a variant uses that of its confirmations. `concepts`
    are your own concepts, in place of a vocabulary. `ranges` has the lowest and the highest value
    of each point, from which units are inferred; null where they are unknown. With `ranked`, each
    tag has its place in the order of `/v1/tags/propose`.
    """

    model: str
    tags: _Tags
    scheme: str | None = None
    concepts: _Concepts | None = None
    ranges: list[_Range | None] | None = None
    ranked: bool = False


class TagCandidate(msgspec.Struct):
    """A concept that a tag may mean; the score is for ranking, not a probability."""

    concept: str
    score: float


class AlignedTag(msgspec.Struct):
    """A tag with its concept, null if no concept is likely, and what its structure says.

    `rank` 1 is the tag to confirm first; null for a tag that another one covers, and unless asked.
    """

    object: Literal["tag"]
    index: int
    tag: str
    concept: str | None
    name: str | None
    score: float
    basis: str
    candidates: list[TagCandidate]
    notation: str
    kind: str | None
    equipment: str | None
    unit: str | None
    unit_basis: str | None
    rank: int | None = None


class ProposedTag(msgspec.Struct):
    """A tag to confirm, with the concept that the model would choose; rank 1 comes first."""

    object: Literal["tag.proposal"]
    rank: int
    index: int
    tag: str
    concept: str | None
    name: str | None
    score: float
    candidates: list[TagCandidate]


class TagUsage(msgspec.Struct):
    """The billed quantity: one row for each tag."""

    rows: int


class TagAlignmentList(msgspec.Struct):
    """The response of `/v1/tags/align`: one entry for each tag, in order."""

    id: str
    object: Literal["list"]
    model: str
    data: list[AlignedTag]
    usage: TagUsage


class TagProposalList(msgspec.Struct):
    """The response of `/v1/tags/propose`, in the order in which to confirm the tags."""

    id: str
    object: Literal["list"]
    model: str
    data: list[ProposedTag]
    usage: TagUsage


class _Row(msgspec.Struct):
    """The results of one tag, as the model names them."""

    concept: str
    name: str
    score: float
    basis: str
    candidates: list[str]
    candidate_scores: list[float]
    notation: str
    kind: str
    equipment: str
    unit: str
    unit_basis: str
    confirm_rank: int


class _Predictions(msgspec.Struct):
    """The model's results as `/v1/predictions` returns them."""

    id: str
    model: str
    predictions: list[_Row]


_Request = TagAlignmentRequest | TagProposalRequest
_Answer = TagAlignmentList | TagProposalList
_ALIGNMENT = msgspec.json.Decoder(TagAlignmentRequest)
_PROPOSAL = msgspec.json.Decoder(TagProposalRequest)
_PREDICTIONS = msgspec.json.Decoder(_Predictions)


def parse_alignment_request(body: bytes) -> TagAlignmentRequest:
    """Parse the body of `/v1/tags/align`. Raises BodyNotJson, ParameterInvalid."""
    request = bodies.decode_body_strict(_ALIGNMENT, body)
    _require_valid(request)
    if request.ranges is not None and len(request.ranges) != len(request.tags):
        raise ParameterInvalid(
            f"`ranges` has {len(request.ranges)} entries for {len(request.tags)} tags.",
            param="ranges",
        )
    return request


def parse_proposal_request(body: bytes) -> TagProposalRequest:
    """Parse the body of `/v1/tags/propose`. Raises BodyNotJson, ParameterInvalid."""
    request = bodies.decode_body_strict(_PROPOSAL, body)
    _require_valid(request)
    return request


def build_alignment_request(
    resolved: ResolvedModel, request: TagAlignmentRequest, public_id: str
) -> ParsedRequest:
    """Build the upstream request that aligns tags; `public_id` is the id of the response."""
    ranges = request.ranges or [None] * len(request.tags)
    bounds = [{"low": one[0], "high": one[1]} if one else _NO_RANGE for one in ranges]
    columns: Sequence[Mapping[str, Any]] = bounds if any(ranges) else [{}] * len(request.tags)
    if request.ranked:
        lists = _list_columns(len(request.tags))
        columns = [{**one, **place} for one, place in zip(columns, lists, strict=True)]

    def convert(found: _Predictions) -> TagAlignmentList:
        """Return the response with one entry for each tag."""
        rows = zip(request.tags, found.predictions, strict=True)
        data = [_aligned(index, tag, row) for index, (tag, row) in enumerate(rows)]
        return TagAlignmentList(found.id, "list", found.model, data, TagUsage(len(data)))

    return _build(resolved, request, columns, public_id, convert)


def build_proposal_request(
    resolved: ResolvedModel, request: TagProposalRequest, public_id: str
) -> ParsedRequest:
    """Build the upstream request that ranks tags; `public_id` is the id of the response."""
    columns = _list_columns(len(request.tags))

    def convert(found: _Predictions) -> TagProposalList:
        """Return the response with the tags to confirm, in their order."""
        rows = enumerate(zip(request.tags, found.predictions, strict=True))
        ranked = [_proposed(index, tag, row) for index, (tag, row) in rows if row.confirm_rank]
        data = sorted(ranked, key=lambda one: one.rank)[: request.count]
        usage = TagUsage(len(request.tags))
        return TagProposalList(found.id, "list", found.model, data, usage)

    return _build(resolved, request, columns, public_id, convert)


_NO_RANGE: Mapping[str, float] = {"low": 0.0, "high": 0.0}


def _list_columns(count: int) -> list[dict[str, str]]:
    """Return the columns that mark tags as one list, which the model ranks."""
    return [{"list": "same" if index else "new"} for index in range(count)]


def _build(
    resolved: ResolvedModel,
    request: _Request,
    columns: Sequence[Mapping[str, Any]],
    public_id: str,
    convert: Callable[[_Predictions], _Answer],
) -> ParsedRequest:
    """Build the request of a prediction for the tags, whose response `convert` changes.

    columns: further columns of each tag's row.
    """
    rows = [
        {"tag": tag, **shared, **further}
        for tag, shared, further in zip(
            request.tags, _shared_columns(request), columns, strict=True
        )
    ]
    prediction = PredictionRequest(request.model, rows)
    built = build_prediction_request(prediction, resolved, public_id)
    to_predictions = built.convert_response

    def convert_response(response: bytes) -> bytes:
        """Return the response in the form of the endpoint. Raises UpstreamFailed."""
        content = response if to_predictions is None else to_predictions(response)
        try:
            return msgspec.json.encode(convert(_PREDICTIONS.decode(content)))
        except msgspec.MsgspecError:
            raise UpstreamFailed("The model's response could not be parsed.") from None

    return replace(built, convert_response=convert_response)


def _shared_columns(request: _Request) -> Iterator[dict[str, str]]:
    """Yield the columns of each row that state the vocabulary; concepts are in the first row."""
    if request.concepts is not None:
        text = msgspec.json.encode(request.concepts).decode()
        for index in range(len(request.tags)):
            yield {"scheme": OWN_SCHEME, "concepts": "" if index else text}
        return
    shared = {} if request.scheme is None else {"scheme": request.scheme}
    for _ in request.tags:
        yield dict(shared)


def _require_valid(request: _Request) -> None:
    """Raise ParameterInvalid for an empty tag, an unknown scheme or unusable concepts."""
    if not request.model:
        raise ParameterInvalid("`model` must not be empty.", param="model")
    for index, tag in enumerate(request.tags):
        try:
            validate_tag(tag)
        except TagInvalid as error:
            raise ParameterInvalid(f"`tags[{index}]`: {error}", param=f"tags[{index}]") from error
    if request.scheme is not None and request.scheme not in _SCHEMES:
        raise ParameterInvalid(f"`scheme` must be one of {', '.join(_SCHEMES)}.", param="scheme")
    if request.concepts is None:
        return
    if request.scheme not in (None, OWN_SCHEME):
        raise ParameterInvalid(
            f"`concepts` are in place of the vocabulary {request.scheme!r}. Leave `scheme` out.",
            param="scheme",
        )
    try:
        build_own_concepts(request.concepts)
    except OwnConceptsInvalid as error:
        raise ParameterInvalid(str(error), param="concepts") from error


def _aligned(index: int, tag: str, row: _Row) -> AlignedTag:
    """Return the entry of a tag; empty texts of the model become null."""
    return AlignedTag(
        "tag",
        index,
        tag,
        row.concept or None,
        row.name or None,
        row.score,
        row.basis,
        _candidates(row),
        row.notation,
        row.kind or None,
        row.equipment or None,
        row.unit or None,
        row.unit_basis or None,
        row.confirm_rank or None,
    )


def _proposed(index: int, tag: str, row: _Row) -> ProposedTag:
    """Return the entry of a tag to confirm."""
    return ProposedTag(
        "tag.proposal",
        row.confirm_rank,
        index,
        tag,
        row.concept or None,
        row.name or None,
        row.score,
        _candidates(row),
    )


def _candidates(row: _Row) -> list[TagCandidate]:
    """Return the candidates of a tag, best first, without the filler of short lists."""
    pairs = zip(row.candidates, row.candidate_scores, strict=False)
    return [TagCandidate(concept, score) for concept, score in pairs if concept]
