"""OpenAI's vector stores: what is asked for, checked field by field."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.wire import body as bodies

MOST_RESULTS = 50
MOST_FILES_AT_ONCE = 500
_MOST_LABELS = 16
_MOST_QUERIES = 8
_DEEPEST = 8
_MOST_CONDITIONS = 64

Text64 = Annotated[str, Meta(min_length=1, max_length=64)]
Text512 = Annotated[str, Meta(max_length=512)]
Value = Text512 | bool | float
Days = Annotated[int, Meta(ge=1, le=365)]
Share = Annotated[float, Meta(ge=0, le=1)]
Weight = Annotated[float, Meta(ge=0, le=1000)]
Results = Annotated[int, Meta(ge=1, le=MOST_RESULTS)]


class ExpiresAfter(msgspec.Struct):
    """`expires_after`: so many days after the store was last used."""

    anchor: Literal["last_active_at"]
    days: Days


class StaticChunks(msgspec.Struct):
    """How long pieces are, in the embedding model's tokens."""

    max_chunk_size_tokens: Annotated[int, Meta(ge=100, le=4096)]
    chunk_overlap_tokens: Annotated[int, Meta(ge=0, le=2048)]


class Chunking(msgspec.Struct):
    """`chunking_strategy`: ours (`auto`), or the customer's."""

    type: Literal["auto", "static"]
    static: StaticChunks | None = None


class NewStore(msgspec.Struct):
    """`POST /v1/vector_stores`."""

    name: Annotated[str, Meta(max_length=256)] | None = None
    description: Text512 | None = None
    file_ids: Annotated[list[str], Meta(max_length=MOST_FILES_AT_ONCE)] = []
    metadata: dict[Text64, Text512] | None = None
    expires_after: ExpiresAfter | None = None
    chunking_strategy: Chunking | None = None


class StoreChange(msgspec.Struct):
    """`POST /v1/vector_stores/{id}`; what is not named stays."""

    name: Annotated[str, Meta(max_length=256)] | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[Text64, Text512] | msgspec.UnsetType | None = msgspec.UNSET
    expires_after: ExpiresAfter | msgspec.UnsetType | None = msgspec.UNSET


class NewFile(msgspec.Struct):
    """`POST /v1/vector_stores/{id}/files`."""

    file_id: str
    attributes: dict[Text64, Value] | None = None
    chunking_strategy: Chunking | None = None


class NewBatch(msgspec.Struct):
    """`POST /v1/vector_stores/{id}/file_batches`: `file_ids`, or `files` with settings of each."""

    file_ids: Annotated[list[str], Meta(max_length=MOST_FILES_AT_ONCE)] = []
    files: Annotated[list[NewFile], Meta(max_length=MOST_FILES_AT_ONCE)] = []
    attributes: dict[Text64, Value] | None = None
    chunking_strategy: Chunking | None = None


class FileChange(msgspec.Struct):
    """`POST /v1/vector_stores/{id}/files/{file}`."""

    attributes: dict[Text64, Value] | None


class Comparison(msgspec.Struct):
    """One attribute against a value."""

    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: Text64
    value: Value | Annotated[list[Value], Meta(min_length=1, max_length=100)]


class Compound(msgspec.Struct):
    """All of several conditions, or any."""

    type: Literal["and", "or"]
    filters: list["Filter"]


Filter = Comparison | Compound


class HybridSearch(msgspec.Struct):
    """How much meaning counts, and how much words do."""

    embedding_weight: Weight = 1.0
    text_weight: Weight = 1.0


class Ranking(msgspec.Struct):
    """`ranking_options`."""

    ranker: str | None = None
    score_threshold: Share = 0.0
    hybrid_search: HybridSearch | None = None

    def __post_init__(self) -> None:
        hybrid = self.hybrid_search
        if hybrid is not None and not hybrid.embedding_weight + hybrid.text_weight:
            raise ValueError("one of the two weights is more than 0")


class Search(msgspec.Struct):
    """`POST /v1/vector_stores/{id}/search`."""

    query: str | Annotated[list[str], Meta(min_length=1, max_length=_MOST_QUERIES)]
    max_num_results: Results = 10
    filters: dict[str, Any] | None = None
    ranking_options: Ranking | None = None
    rewrite_query: bool | None = None


BODIES: Mapping[str, type[msgspec.Struct]] = {
    "/v1/vector_stores": NewStore,
    "/v1/vector_stores/{store}": StoreChange,
    "/v1/vector_stores/{store}/files": NewFile,
    "/v1/vector_stores/{store}/files/{file}": FileChange,
    "/v1/vector_stores/{store}/file_batches": NewBatch,
    "/v1/vector_stores/{store}/search": Search,
}
_DECODERS: Mapping[type, msgspec.json.Decoder[Any]] = {
    shape: msgspec.json.Decoder(shape) for shape in BODIES.values()
}


def read(shape: type[bodies.Shape], body: bytes) -> bodies.Shape:
    """Check a body. Raises BodyNotJson, ParameterInvalid naming the field."""
    wanted: bodies.Shape = bodies.read_strictly(_DECODERS[shape], body)
    for name in ("metadata", "attributes"):
        given = getattr(wanted, name, None)
        if isinstance(given, dict) and len(given) > _MOST_LABELS:
            raise ParameterInvalid(f"`{name}` has at most {_MOST_LABELS} entries.", param=name)
    return wanted


def queries_of(search: Search) -> list[str]:
    """What is looked for. Raises ParameterInvalid."""
    queries = [search.query] if isinstance(search.query, str) else search.query
    if not all(query.strip() for query in queries):
        raise ParameterInvalid("`query` is empty.", param="query")
    return queries


def filter_of(given: dict[str, Any] | None, param: str = "filters") -> Filter | None:
    """The filter, as deep as it is. Raises ParameterInvalid."""
    if given is None:
        return None
    room = [_MOST_CONDITIONS]
    return _filter(given, param, _DEEPEST, room)


def _filter(given: Any, param: str, deep: int, room: list[int]) -> Filter:
    room[0] -= 1
    if deep == 0 or room[0] < 0:
        raise ParameterInvalid(
            f"`{param}` has at most {_MOST_CONDITIONS} conditions, {_DEEPEST} deep.", param=param
        )
    compound = isinstance(given, dict) and given.get("type") in ("and", "or")
    if compound:
        inner = given.get("filters")
        if not isinstance(inner, list) or not inner:
            raise ParameterInvalid(f"`{param}` joins one condition or more.", param=param)
        return Compound(given["type"], [_filter(one, param, deep - 1, room) for one in inner])
    try:
        wanted = msgspec.convert(given, Comparison)
    except msgspec.ValidationError as error:
        raise ParameterInvalid(f"`{param}`: {error}.", param=param) from None
    if isinstance(wanted.value, list) != (wanted.type in ("in", "nin")):
        raise ParameterInvalid(f"`{param}`: a list goes with `in` and `nin` only.", param=param)
    return wanted
