"""OpenAI's `file_search` tool in a chat: parsing, prompt augmentation and citations.

Retrieved passages are inserted before the question. They go into the user's message, not into a
system message, so that the text of a document has no more authority than the user.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.call.values import RetrievalRequest
from gateway.wire import body as bodies
from gateway.wire.vector_stores import (
    HybridSearchWeights,
    RankingOptions,
    ResultCount,
    parse_filter,
)
from infra.validation_errors import parse_validation_error
from models.passages import render_preface

FILE_SEARCH = "file_search"
_DEFAULT_RESULTS = 5
# Upper bounds in tokens of the language model: of one passage with its heading, and of the
# instructions for all passages.
_PASSAGE_TOKENS, _INSTRUCTION_TOKENS = 700, 200
_TOOL_CHOICE_FIELDS = ("tool_choice", "parallel_tool_calls")
_CITATION = re.compile(r"[\[【]\s*(\d{1,2}(?:\s*[,，、]\s*\d{1,2})*)\s*[\]】]")


class FileSearchTool(msgspec.Struct):
    """The `file_search` tool: an entry of `tools` in a chat request."""

    type: Literal["file_search"]
    vector_store_ids: Annotated[list[str], Meta(min_length=1, max_length=8)]
    max_num_results: ResultCount = _DEFAULT_RESULTS
    filters: dict[str, Any] | None = None
    ranking_options: RankingOptions | None = None


@dataclass(frozen=True, slots=True)
class RetrievedPassage:
    """A passage that is inserted into the prompt, with its source file and relevance score."""

    file_id: str
    filename: str
    score: float
    attributes: Mapping[str, Any]
    text: str


_TOOLS = msgspec.json.Decoder(list[dict[str, Any]])
_MESSAGES = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def max_added_tokens(passages: int) -> int:
    """Return the maximum number of tokens that this number of passages adds to a prompt."""
    return passages * _PASSAGE_TOKENS + _INSTRUCTION_TOKENS


def extract_file_search(values: dict[str, msgspec.Raw], question: str) -> RetrievalRequest | None:
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
    return RetrievalRequest(
        store_ids=tuple(file_search.vector_store_ids),
        query=question,
        max_results=file_search.max_num_results,
        max_added_tokens=max_added_tokens(file_search.max_num_results),
        filter=file_search.filters,
        min_score=ranking.score_threshold,
        embedding_weight=hybrid.embedding_weight,
        text_weight=hybrid.text_weight,
    )


def insert_passages(body: bytes, question: str, sources: Sequence[RetrievedPassage]) -> bytes:
    """Return a chat body without its `file_search` tool, with passages before the question."""
    values = bodies.decode_fields(body)
    extract_file_search(values, question)
    messages = _MESSAGES.decode(values["messages"])
    last = max(
        index
        for index, message in enumerate(messages)
        if bytes(message.get("role", b"")) == b'"user"'
    )
    passages = [(source.filename, source.text) for source in sources]
    messages[last]["content"] = _prepend_text(
        messages[last]["content"], render_preface(question, passages)
    )
    values["messages"] = msgspec.Raw(msgspec.json.encode(messages))
    return bodies.encode_body(values)


@dataclass(frozen=True, slots=True)
class AnswerCitations:
    """The passages that were given to the model, and the citations of them in its answer.

    Citations become OpenAI's `annotations`; all passages are listed in the field `file_search`.
    """

    question: str
    sources: tuple[RetrievedPassage, ...]

    def annotate_body(self, body: bytes) -> bytes:
        """Return a non-streamed answer with its annotations and the list of passages."""
        answer = _OBJECT.decode(body)
        texts: list[str] = []
        for choice in answer.get("choices") or []:
            message = choice.get("message")
            if isinstance(message, dict):
                texts.append(message.get("content") or "")
                message["annotations"] = self.find_citations(texts[-1])
        answer[FILE_SEARCH] = self.search_results(texts)
        return msgspec.json.encode(answer)

    def stream_collector(self) -> "StreamCitations":
        """Return a new collector of the citations in one stream."""
        return StreamCitations(self)

    def find_citations(self, text: str) -> list[dict[str, Any]]:
        """Return OpenAI's `file_citation` annotations for the citation marks (`[1, 2]`) in a text.

        Numbers without a passage are ignored.
        """
        annotations = []
        for mark in _CITATION.finditer(text):
            for number in map(int, re.findall(r"\d+", mark[1])):
                if 1 <= number <= len(self.sources):
                    source = self.sources[number - 1]
                    annotations.append(
                        {
                            "type": "file_citation",
                            "index": mark.start(),
                            "file_id": source.file_id,
                            "filename": source.filename,
                            "passage": number,
                        }
                    )
        return annotations

    def search_results(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the query and all passages, with a flag for those that the texts cite."""
        cited = {one["passage"] for text in texts for one in self.find_citations(text)}
        results = [
            {
                "passage": number,
                "file_id": source.file_id,
                "filename": source.filename,
                "score": source.score,
                "attributes": dict(source.attributes),
                "text": source.text,
                "cited": number in cited,
            }
            for number, source in enumerate(self.sources, start=1)
        ]
        return {"queries": [self.question], "results": results}


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta = msgspec.field(default_factory=_Delta)


class _Chunk(msgspec.Struct):
    id: str = ""
    created: int = 0
    model: str = ""
    choices: list[_Choice] = []


_CHUNK = msgspec.json.Decoder(_Chunk)


@dataclass(slots=True)
class StreamCitations:
    """Collects the texts of a stream, for a final chunk with their citations."""

    citations: AnswerCitations
    texts: dict[int, list[str]] = field(default_factory=dict)
    last: _Chunk = field(default_factory=_Chunk)

    def feed(self, events: bytes) -> None:
        """Collect the answer's texts from complete events of the client's stream."""
        for event in events.split(b"\n\n"):
            if event.startswith(b"data: {"):
                try:
                    self.last = _CHUNK.decode(event[6:])
                except (msgspec.MsgspecError, RecursionError, ValueError):
                    continue
                for choice in self.last.choices:
                    self.texts.setdefault(choice.index, []).append(choice.delta.content or "")

    def event(self) -> bytes:
        """Return the final chunk: the annotations of each choice and the list of passages."""
        texts = {index: "".join(parts) for index, parts in sorted(self.texts.items())}
        choices = [
            {
                "index": index,
                "delta": {"annotations": self.citations.find_citations(text)},
                "finish_reason": None,
            }
            for index, text in texts.items()
        ]
        chunk = {
            "id": self.last.id,
            "object": "chat.completion.chunk",
            "created": self.last.created,
            "model": self.last.model,
            "choices": choices,
            FILE_SEARCH: self.citations.search_results(list(texts.values())),
        }
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


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


def _prepend_text(raw: msgspec.Raw, text: str) -> msgspec.Raw:
    """Return a message's content, a string or a list of parts, with a text before it."""
    content: Any = msgspec.json.decode(raw)
    if isinstance(content, str):
        return msgspec.Raw(msgspec.json.encode(text + content))
    parts = [{"type": "text", "text": text}, *(content or [])]
    return msgspec.Raw(msgspec.json.encode(parts))
