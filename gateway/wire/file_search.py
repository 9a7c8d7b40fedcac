"""OpenAI's `file_search` in a chat: the tool taken out, passages written before the question, and
citations read from the answer.

Passages are a part of the user's message, not of a system's: what a document says has no more
weight than what its owner says.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.call.values import Searching
from gateway.wire import body as bodies
from gateway.wire.vector_stores import HybridSearch, Ranking, Results, filter_of
from infra.validation_errors import misfit_of
from models.passages import preface

TOOL = "file_search"
_DEFAULT_RESULTS = 5
# What a passage and its heading come to in a language model's tokens, and what is said of them all.
_PASSAGE_TOKENS, _INSTRUCTION_TOKENS = 700, 200
_CHOICES = ("tool_choice", "parallel_tool_calls")
_MARK = re.compile(r"[\[【]\s*(\d{1,2}(?:\s*[,，、]\s*\d{1,2})*)\s*[\]】]")


class Tool(msgspec.Struct):
    """An entry of `tools`."""

    type: Literal["file_search"]
    vector_store_ids: Annotated[list[str], Meta(min_length=1, max_length=8)]
    max_num_results: Results = _DEFAULT_RESULTS
    filters: dict[str, Any] | None = None
    ranking_options: Ranking | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that the model is given, and where it is from."""

    file_id: str
    filename: str
    score: float
    attributes: Mapping[str, Any]
    text: str


_TOOLS = msgspec.json.Decoder(list[dict[str, Any]])
_MESSAGES = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def most_tokens(passages: int) -> int:
    """How much longer a prompt becomes, at most."""
    return passages * _PASSAGE_TOKENS + _INSTRUCTION_TOKENS


def take_out(values: dict[str, msgspec.Raw], question: str) -> Searching | None:
    """What is to be searched for, and the fields without it. Raises ParameterInvalid."""
    raw = bytes(values.get("tools", b"null"))
    if TOOL.encode() not in raw:
        return None
    tools = _TOOLS.decode(raw)
    ours = [index for index, tool in enumerate(tools) if tool.get("type") == TOOL]
    if not ours:
        return None
    if len(ours) > 1:
        raise ParameterInvalid(f"`tools` holds {TOOL!r} more than once.", param="tools")
    wanted = _tool(tools[ours[0]], f"tools[{ours[0]}]")
    if not question.strip():
        raise ParameterInvalid(
            f"{TOOL!r} looks for what the last user message says in words.", param="messages"
        )
    others = [tool for index, tool in enumerate(tools) if index not in ours]
    _keep(values, others)
    ranking = wanted.ranking_options or Ranking()
    hybrid = ranking.hybrid_search or HybridSearch()
    return Searching(
        store_ids=tuple(wanted.vector_store_ids),
        question=question,
        most=wanted.max_num_results,
        most_tokens=most_tokens(wanted.max_num_results),
        filter=wanted.filters,
        least_score=ranking.score_threshold,
        meaning=hybrid.embedding_weight,
        words=hybrid.text_weight,
    )


def grounded(body: bytes, question: str, sources: Sequence[Source]) -> bytes:
    """The body without the tool, and with the passages before the last user message."""
    values = bodies.fields(body)
    take_out(values, question)
    messages = _MESSAGES.decode(values["messages"])
    last = max(
        index for index, one in enumerate(messages) if bytes(one.get("role", b"")) == b'"user"'
    )
    passages = [(source.filename, source.text) for source in sources]
    messages[last]["content"] = _content(messages[last]["content"], preface(question, passages))
    values["messages"] = msgspec.Raw(msgspec.json.encode(messages))
    return bodies.envelope(values)


@dataclass(frozen=True, slots=True)
class Cited:
    """What an answer rests on: told beside it, and its marks as OpenAI's annotations."""

    question: str
    sources: tuple[Source, ...]

    def plain(self, body: bytes) -> bytes:
        """A whole answer with them."""
        answer = _OBJECT.decode(body)
        texts: list[str] = []
        for choice in answer.get("choices") or []:
            message = choice.get("message")
            if isinstance(message, dict):
                texts.append(message.get("content") or "")
                message["annotations"] = self.annotations(texts[-1])
        answer[TOOL] = self.told(texts)
        return msgspec.json.encode(answer)

    def stream(self) -> "StreamMarks":
        return StreamMarks(self)

    def annotations(self, text: str) -> list[dict[str, Any]]:
        """One for each passage that a mark names; marks of what was not given are none."""
        made = []
        for mark in _MARK.finditer(text):
            for number in map(int, re.findall(r"\d+", mark[1])):
                if 1 <= number <= len(self.sources):
                    source = self.sources[number - 1]
                    made.append(
                        {
                            "type": "file_citation",
                            "index": mark.start(),
                            "file_id": source.file_id,
                            "filename": source.filename,
                            "passage": number,
                        }
                    )
        return made

    def told(self, texts: Sequence[str]) -> dict[str, Any]:
        """All passages that were given, and which of them the answers cite."""
        cited = {one["passage"] for text in texts for one in self.annotations(text)}
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
class StreamMarks:
    """A stream's texts as they go by, for a last chunk that tells what they cite."""

    cited: Cited
    texts: dict[int, list[str]] = field(default_factory=dict)
    last: _Chunk = field(default_factory=_Chunk)

    def feed(self, events: bytes) -> None:
        """Whole events, as the client sees them."""
        for event in events.split(b"\n\n"):
            if event.startswith(b"data: {"):
                try:
                    self.last = _CHUNK.decode(event[6:])
                except (msgspec.MsgspecError, RecursionError, ValueError):
                    continue
                for choice in self.last.choices:
                    self.texts.setdefault(choice.index, []).append(choice.delta.content or "")

    def event(self) -> bytes:
        """The chunk."""
        texts = {index: "".join(parts) for index, parts in sorted(self.texts.items())}
        choices = [
            {
                "index": index,
                "delta": {"annotations": self.cited.annotations(text)},
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
            TOOL: self.cited.told(list(texts.values())),
        }
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _tool(given: dict[str, Any], where: str) -> Tool:
    try:
        tool = msgspec.convert(given, Tool)
    except msgspec.ValidationError as error:
        misfit = misfit_of(str(error))
        path = f"{where}.{misfit.path}" if misfit.path else where
        raise ParameterInvalid(f"`{path}`: {misfit.what}.", param=path) from None
    unknown = given.keys() - {one.name for one in msgspec.structs.fields(Tool)}
    if unknown:
        name = f"{where}.{min(unknown)[:60]}"
        raise ParameterInvalid(f"`{name}` is no field of {TOOL!r}.", param=name)
    filter_of(tool.filters, f"{where}.filters")
    return tool


def _keep(values: dict[str, msgspec.Raw], others: list[dict[str, Any]]) -> None:
    """The other tools, and the choice between them where it is one."""
    if others:
        values["tools"] = msgspec.Raw(msgspec.json.encode(others))
        if f'"{TOOL}"'.encode() in bytes(values.get("tool_choice", b"")):
            values.pop("tool_choice")
        return
    for name in ("tools", *_CHOICES):
        values.pop(name, None)


def _content(raw: msgspec.Raw, before: str) -> msgspec.Raw:
    """A message's content, a text or a list of parts, with this before it."""
    content: Any = msgspec.json.decode(raw)
    if isinstance(content, str):
        return msgspec.Raw(msgspec.json.encode(before + content))
    parts = [{"type": "text", "text": before}, *(content or [])]
    return msgspec.Raw(msgspec.json.encode(parts))
