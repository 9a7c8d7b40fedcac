"""OpenAI's `file_search` tool in a chat: parsing and prompt augmentation.

Retrieved passages are inserted before the question. They go into the user's message, not into a
system message, so that the text of a document has no more authority than the user.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.call.values import RetrievalRequest
from gateway.wire import body as bodies
from gateway.wire.file_search.citations import FILE_SEARCH, RetrievedPassage
from gateway.wire.vector_stores import (
    HybridSearchWeights,
    RankingOptions,
    ResultCount,
    parse_filter,
)
from infra.validation_errors import parse_validation_error
from models.catalog import Model
from models.handbook.small_talk import is_small_talk
from models.passages import render_correction, render_preface

# Upper bounds in tokens of the language model: of one passage with its heading, and of the
# instructions for all passages.
_PASSAGE_TOKENS, _INSTRUCTION_TOKENS = 700, 200
_TOOL_CHOICE_FIELDS = ("tool_choice", "parallel_tool_calls")


# In place of the id of a vector store: the built-in handbook.
HANDBOOK = "handbook"


class FileSearchTool(msgspec.Struct):
    """The `file_search` tool: an entry of `tools` in a chat request.

    `vector_store_ids` are ids of the account's stores, and `handbook`. With `plant_graph`, files
    linked to what the question names are ranked higher.
    """

    type: Literal["file_search"]
    vector_store_ids: Annotated[list[str], Meta(min_length=1, max_length=8)]
    max_num_results: ResultCount | None = None
    filters: dict[str, Any] | None = None
    ranking_options: RankingOptions | None = None
    plant_graph: bool = True


_TOOLS = msgspec.json.Decoder(list[dict[str, Any]])
_MESSAGES = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def max_added_tokens(passages: int) -> int:
    """Return the maximum number of tokens that this number of passages adds to a prompt."""
    return passages * _PASSAGE_TOKENS + _INSTRUCTION_TOKENS


def parse_retrieval(
    values: dict[str, msgspec.Raw], question: str, model: Model
) -> RetrievalRequest | None:
    """Return what is searched for a chat, and remove the `file_search` tool from its fields.

    An assistant also searches the handbook, unless the question asks nothing. Returns None if
    nothing is searched. Raises ParameterInvalid.
    """
    assistant = model.assistant
    retrieval = parse_file_search(values, question, model)
    if assistant is None:
        return retrieval
    if retrieval is not None:
        return replace(retrieval, searches_handbook=True)
    if not question.strip() or is_small_talk(question):
        return None
    return RetrievalRequest(
        store_ids=(),
        query=question,
        max_results=assistant.max_passages,
        max_added_tokens=max_added_tokens(assistant.max_passages),
        searches_handbook=True,
    )


def parse_file_search(
    values: dict[str, msgspec.Raw], question: str, model: Model
) -> RetrievalRequest | None:
    """Return what the `file_search` tool names, and remove it from the request's fields.

    Returns None without the tool. Raises ParameterInvalid.
    """
    assistant, documents = model.assistant, model.file_search
    default_results = documents.max_passages if assistant is None else assistant.max_passages
    return _extract_file_search(values, question, default_results)


def _extract_file_search(
    values: dict[str, msgspec.Raw], question: str, default_results: int
) -> RetrievalRequest | None:
    """Parse the `file_search` tool and remove it from the request's fields, in place.

    Returns None if the request has no such tool. Raises ParameterInvalid.
    """
    raw = bytes(values.get("tools", b"null"))
    if FILE_SEARCH.encode() not in raw:
        return None
    tools = _TOOLS.decode(raw)
    indices = [index for index, tool in enumerate(tools) if tool.get("type") == FILE_SEARCH]
    if not indices:
        return None
    if len(indices) > 1:
        raise ParameterInvalid(f"`tools` contains {FILE_SEARCH!r} more than once.", param="tools")
    file_search = _parse_tool(tools[indices[0]], f"tools[{indices[0]}]")
    if not question.strip():
        raise ParameterInvalid(
            f"{FILE_SEARCH!r} needs text in the last user message, which is the search query.",
            param="messages",
        )
    other_tools = [tool for index, tool in enumerate(tools) if index not in indices]
    _set_other_tools(values, other_tools)
    ranking = file_search.ranking_options or RankingOptions()
    hybrid = ranking.hybrid_search or HybridSearchWeights()
    max_results = file_search.max_num_results or default_results
    return RetrievalRequest(
        store_ids=tuple(one for one in file_search.vector_store_ids if one != HANDBOOK),
        query=question,
        max_results=max_results,
        max_added_tokens=max_added_tokens(max_results),
        filter=file_search.filters,
        min_score=ranking.score_threshold,
        embedding_weight=hybrid.embedding_weight,
        text_weight=hybrid.text_weight,
        searches_handbook=HANDBOOK in file_search.vector_store_ids,
        uses_plant_graph=file_search.plant_graph,
    )


def insert_passages(body: bytes, question: str, sources: Sequence[RetrievedPassage]) -> bytes:
    """Return a chat body without its `file_search` tool, with passages before the question."""
    values = bodies.decode_fields(body)
    _extract_file_search(values, question, len(sources))
    passages = [(source.filename, source.text) for source in sources]
    preface = render_preface(question, passages)
    values["messages"] = _change_question(
        values["messages"], lambda content: _add_text(content, preface, "")
    )
    return bodies.encode_body(values)


def append_correction(
    fields: Mapping[str, msgspec.Raw], question: str, claims: Sequence[str]
) -> msgspec.Raw:
    """Return the messages of a grounded chat with the claims of a first answer to leave out."""
    return _change_question(
        fields["messages"],
        lambda content: _add_text(content, "", render_correction(question, claims)),
    )


def _parse_tool(value: dict[str, Any], location: str) -> FileSearchTool:
    """Convert an entry of `tools`. Raises ParameterInvalid naming the field below `location`."""
    try:
        tool = msgspec.convert(value, FileSearchTool)
    except msgspec.ValidationError as error:
        misfit = parse_validation_error(str(error))
        path = f"{location}.{misfit.path}" if misfit.path else location
        raise ParameterInvalid(f"`{path}`: {misfit.what}.", param=path) from None
    unknown = value.keys() - {field.name for field in msgspec.structs.fields(FileSearchTool)}
    if unknown:
        name = f"{location}.{min(unknown)[:60]}"
        raise ParameterInvalid(f"Unknown field of {FILE_SEARCH!r}: `{name}`.", param=name)
    parse_filter(tool.filters, f"{location}.filters")
    return tool


def _set_other_tools(values: dict[str, msgspec.Raw], other_tools: list[dict[str, Any]]) -> None:
    """Remove the `file_search` tool: keep the other tools, drop fields that refer to it."""
    if other_tools:
        values["tools"] = msgspec.Raw(msgspec.json.encode(other_tools))
        if f'"{FILE_SEARCH}"'.encode() in bytes(values.get("tool_choice", b"")):
            values.pop("tool_choice")
        return
    for name in ("tools", *_TOOL_CHOICE_FIELDS):
        values.pop(name, None)


def _change_question(
    messages: msgspec.Raw, change: Callable[[msgspec.Raw], msgspec.Raw]
) -> msgspec.Raw:
    """Return the messages with a change of the last user message's content."""
    decoded = _MESSAGES.decode(messages)
    last = max(
        index
        for index, message in enumerate(decoded)
        if bytes(message.get("role", b"")) == b'"user"'
    )
    decoded[last]["content"] = change(decoded[last]["content"])
    return msgspec.Raw(msgspec.json.encode(decoded))


def _add_text(raw: msgspec.Raw, before: str, after: str) -> msgspec.Raw:
    """Return a message's content, a string or a list of parts, with texts before and after it."""
    content: Any = msgspec.json.decode(raw)
    if isinstance(content, str):
        return msgspec.Raw(msgspec.json.encode(before + content + after))
    first, last = ([{"type": "text", "text": text}] if text else [] for text in (before, after))
    return msgspec.Raw(msgspec.json.encode([*first, *(content or []), *last]))
