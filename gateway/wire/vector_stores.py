"""Request bodies of OpenAI's vector store endpoints, and the parsing of search filters.

Docstrings of the bodies are part of the OpenAPI document.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.wire import body as bodies

MAX_RESULTS = 50
MAX_FILES_PER_REQUEST = 500
_MAX_METADATA_ENTRIES = 16
_MAX_QUERIES = 8
_MAX_FILTER_DEPTH = 8
_MAX_CONDITIONS = 64

ShortText = Annotated[str, Meta(min_length=1, max_length=64)]
LongText = Annotated[str, Meta(max_length=512)]
AttributeValue = LongText | bool | float
Days = Annotated[int, Meta(ge=1, le=365)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Weight = Annotated[float, Meta(ge=0, le=1000)]
ResultCount = Annotated[int, Meta(ge=1, le=MAX_RESULTS)]


class ExpiresAfter(msgspec.Struct):
    """`expires_after`: the number of days after the last use of the store."""

    anchor: Literal["last_active_at"]
    days: Days


class StaticChunkingStrategy(msgspec.Struct):
    """Size and overlap of chunks, in tokens of the embedding model."""

    max_chunk_size_tokens: Annotated[int, Meta(ge=100, le=4096)]
    chunk_overlap_tokens: Annotated[int, Meta(ge=0, le=2048)]


class ChunkingStrategy(msgspec.Struct):
    """`chunking_strategy`: the default (`auto`) or the given sizes (`static`)."""

    type: Literal["auto", "static"]
    static: StaticChunkingStrategy | None = None


class CreateVectorStoreRequest(msgspec.Struct):
    """`POST /v1/vector_stores`."""

    name: Annotated[str, Meta(max_length=256)] | None = None
    description: LongText | None = None
    file_ids: Annotated[list[str], Meta(max_length=MAX_FILES_PER_REQUEST)] = []
    metadata: dict[ShortText, LongText] | None = None
    expires_after: ExpiresAfter | None = None
    chunking_strategy: ChunkingStrategy | None = None


class UpdateVectorStoreRequest(msgspec.Struct):
    """`POST /v1/vector_stores/{id}`; omitted fields are unchanged."""

    name: Annotated[str, Meta(max_length=256)] | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[ShortText, LongText] | msgspec.UnsetType | None = msgspec.UNSET
    expires_after: ExpiresAfter | msgspec.UnsetType | None = msgspec.UNSET


class CreateVectorStoreFileRequest(msgspec.Struct):
    """`POST /v1/vector_stores/{id}/files`."""

    file_id: str
    attributes: dict[ShortText, AttributeValue] | None = None
    chunking_strategy: ChunkingStrategy | None = None


class CreateFileBatchRequest(msgspec.Struct):
    """`POST /v1/vector_stores/{id}/file_batches`: `file_ids`, or `files` with settings."""

    file_ids: Annotated[list[str], Meta(max_length=MAX_FILES_PER_REQUEST)] = []
    files: Annotated[
        list[CreateVectorStoreFileRequest], Meta(max_length=MAX_FILES_PER_REQUEST)
    ] = []
    attributes: dict[ShortText, AttributeValue] | None = None
    chunking_strategy: ChunkingStrategy | None = None


class UpdateVectorStoreFileRequest(msgspec.Struct):
    """`POST /v1/vector_stores/{id}/files/{file}`."""

    attributes: dict[ShortText, AttributeValue] | None


class ComparisonFilter(msgspec.Struct):
    """Compares an attribute with a value."""

    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: ShortText
    value: AttributeValue | Annotated[list[AttributeValue], Meta(min_length=1, max_length=100)]


class CompoundFilter(msgspec.Struct):
    """Combines conditions: all (`and`) or any (`or`) must hold."""

    type: Literal["and", "or"]
    filters: list["Filter"]


Filter = ComparisonFilter | CompoundFilter


class HybridSearchWeights(msgspec.Struct):
    """Weights of the semantic search and the text search in the ranking."""

    embedding_weight: Weight = 1.0
    text_weight: Weight = 1.0


class RankingOptions(msgspec.Struct):
    """`ranking_options`."""

    ranker: str | None = None
    score_threshold: Fraction = 0.0
    hybrid_search: HybridSearchWeights | None = None

    def __post_init__(self) -> None:
        hybrid = self.hybrid_search
        if hybrid is not None and not hybrid.embedding_weight + hybrid.text_weight:
            raise ValueError("at least one of the two weights must be greater than 0")


class SearchRequest(msgspec.Struct):
    """`POST /v1/vector_stores/{id}/search`.

    With `plant_graph`, files that the plant graph links to the query are ranked higher.
    """

    query: str | Annotated[list[str], Meta(min_length=1, max_length=_MAX_QUERIES)]
    max_num_results: ResultCount = 10
    filters: dict[str, Any] | None = None
    ranking_options: RankingOptions | None = None
    rewrite_query: bool | None = None
    plant_graph: bool = True


BODIES: Mapping[str, type[msgspec.Struct]] = {
    "/v1/vector_stores": CreateVectorStoreRequest,
    "/v1/vector_stores/{store}": UpdateVectorStoreRequest,
    "/v1/vector_stores/{store}/files": CreateVectorStoreFileRequest,
    "/v1/vector_stores/{store}/files/{file}": UpdateVectorStoreFileRequest,
    "/v1/vector_stores/{store}/file_batches": CreateFileBatchRequest,
    "/v1/vector_stores/{store}/search": SearchRequest,
}
_DECODERS: Mapping[type, msgspec.json.Decoder[Any]] = {
    shape: msgspec.json.Decoder(shape) for shape in BODIES.values()
}


def decode_request(shape: type[bodies.Shape], body: bytes) -> bodies.Shape:
    """Decode and validate a request body. Raises BodyNotJson, ParameterInvalid naming the field."""
    request: bodies.Shape = bodies.decode_body_strict(_DECODERS[shape], body)
    for name in ("metadata", "attributes"):
        entries = getattr(request, name, None)
        if isinstance(entries, dict) and len(entries) > _MAX_METADATA_ENTRIES:
            raise ParameterInvalid(
                f"`{name}` can have at most {_MAX_METADATA_ENTRIES} entries.", param=name
            )
    return request


def queries_of(search: SearchRequest) -> list[str]:
    """Return the queries of a search. Raises ParameterInvalid if one is empty."""
    queries = [search.query] if isinstance(search.query, str) else search.query
    if not all(query.strip() for query in queries):
        raise ParameterInvalid("`query` is empty.", param="query")
    return queries


def parse_filter(value: dict[str, Any] | None, param: str = "filters") -> Filter | None:
    """Parse a search filter, with its nested filters. Raises ParameterInvalid."""
    if value is None:
        return None
    return _parse_filter(value, param, _MAX_FILTER_DEPTH, [_MAX_CONDITIONS])


def _parse_filter(value: Any, param: str, depth_left: int, conditions_left: list[int]) -> Filter:
    """Parse one level of a filter; `conditions_left` is a one-item list, counted down."""
    conditions_left[0] -= 1
    if depth_left == 0 or conditions_left[0] < 0:
        raise ParameterInvalid(
            f"`{param}` can have at most {_MAX_CONDITIONS} conditions, nested at most "
            f"{_MAX_FILTER_DEPTH} deep.",
            param=param,
        )
    is_compound = isinstance(value, dict) and value.get("type") in ("and", "or")
    if is_compound:
        inner = value.get("filters")
        if not isinstance(inner, list) or not inner:
            raise ParameterInvalid(f"`{param}` must have at least one condition.", param=param)
        filters = [_parse_filter(one, param, depth_left - 1, conditions_left) for one in inner]
        return CompoundFilter(value["type"], filters)
    try:
        comparison = msgspec.convert(value, ComparisonFilter)
    except msgspec.ValidationError as error:
        raise ParameterInvalid(f"`{param}`: {error}.", param=param) from None
    if isinstance(comparison.value, list) != (comparison.type in ("in", "nin")):
        raise ParameterInvalid(
            f"`{param}`: a list is only allowed with `in` and `nin`.", param=param
        )
    return comparison
