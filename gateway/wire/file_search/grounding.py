"""Ground an answer in its passages: check it, correct it, cite the passages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import msgspec

from gateway.call.grounding import CheckedBody, GroundedStream
from gateway.wire.file_search.citations import CitedPassages, RetrievedPassage
from gateway.wire.file_search.grounded_answer import CheckedChoices
from gateway.wire.file_search.grounded_stream import GroundedChunks
from models.grounding.answer import GroundedAnswer, Grounding, not_found_text, quote
from models.grounding.check import AnswerChecker
from models.grounding.draft import GrowingDraft, verify

# What the user and the system said before is known, as the question is: of it, the last part.
_MAX_CONTEXT_LENGTH = 8_000
_BEFORE_QUOTE = "\n\n"
_NULL = b"null"


class _Message(msgspec.Struct):
    """The fields of a message that are read; `content` is a text or a list of parts."""

    role: str
    content: Any = None


_MESSAGES = msgspec.json.Decoder(list[_Message])


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """What of a request decides how its answer can be checked.

    `is_text` is False for JSON and for an answer with `logprobs`, which belong to the model's own
    tokens: it is not checked. `may_call_tools`: the model may answer with tool calls.
    """

    is_text: bool = True
    may_call_tools: bool = False


@dataclass(frozen=True, slots=True)
class AnswerCitations:
    """The passages that were given to the model, against which its answer is checked.

    `known` is what the client wrote.
    """

    passages: CitedPassages
    checker: AnswerChecker
    answer_format: AnswerFormat = AnswerFormat()
    max_statements: int | None = None
    known: str = ""

    @classmethod
    def prepare(
        cls,
        question: str,
        context: str,
        sources: Sequence[RetrievedPassage],
        answer_format: AnswerFormat,
        max_statements: int | None = None,
    ) -> Self:
        """Prepare the passages for the checks. Takes milliseconds per passage.

        Figures and names of the question, and of the `context`, which is what the client sent
        before, need not be in a passage.
        """
        known = f"{context[-_MAX_CONTEXT_LENGTH:]}\n{question[-_MAX_CONTEXT_LENGTH:]}"
        passages = CitedPassages(question, tuple(sources))
        return cls(passages, _checker(known, passages), answer_format, max_statements, known)

    def extended(self, query: str, found: Sequence[RetrievedPassage]) -> "AnswerCitations":
        """Return the citations with the passages of another search, which are numbered on."""
        passages = self.passages.extended(query, found)
        return replace(self, passages=passages, checker=_checker(self.known, passages))

    @property
    def question(self) -> str:
        """Return the question, whose language statements about the answer have."""
        return self.passages.question

    @property
    def has_passages(self) -> bool:
        """Whether there is a passage to answer from."""
        return bool(self.passages.sources)

    @property
    def texts(self) -> Sequence[str]:
        """Return the texts of the passages."""
        return [source.text for source in self.passages.sources]

    def list_passages(self, body: bytes) -> bytes:
        """Return an answer that is not streamed with the list of passages, unchecked."""
        return CheckedChoices.check(body, self.passages, self.checker, False).encode({})

    def check_body(self, body: bytes) -> CheckedBody:
        """Check an answer that is not streamed. Takes milliseconds per thousand tokens."""
        is_text = self.answer_format.is_text
        return CheckedChoices.check(body, self.passages, self.checker, is_text, self.max_statements)

    def open_stream(self, choices: int) -> GroundedStream:
        """Return what checks a stream with this number of choices."""
        answer_format = self.answer_format
        return GroundedChunks(
            self.passages,
            self.checker,
            choices,
            answer_format.is_text,
            answer_format.may_call_tools,
            self.max_statements,
        )

    def correct(self, draft: GrowingDraft, second_text: str | None) -> GroundedAnswer:
        """Return the answer in place of a rejected draft: the second text, or a quotation.

        The second text is used if it is verified and nothing of the draft was sent.
        """
        if second_text and not draft.released:
            second = verify(self.passages.question, self.checker, second_text, self.max_statements)
            if second is not None:
                return second
        return self._quote(draft)

    def _quote(self, draft: GrowingDraft) -> GroundedAnswer:
        """Return what was sent of a draft and the passage nearest to it.

        If nothing was sent, and no word of the question is in that passage or the model found no
        amount that is asked for, the documents do not answer it.
        """
        question, sent = self.passages.question, draft.released
        number = self.checker.nearest(draft.text) or 1
        texts = [source.text for source in self.passages.sources]
        if not sent and (draft.lacks_answer or not (texts and self.checker.is_on_topic(number))):
            return GroundedAnswer(not_found_text(question), Grounding.NOT_FOUND)
        quoted = quote(question, texts, number)
        if not sent:
            return quoted
        start = len(sent) + len(_BEFORE_QUOTE)
        return replace(quoted, text=sent + _BEFORE_QUOTE + quoted.text, quote_start=start)


def _checker(known: str, passages: CitedPassages) -> AnswerChecker:
    """Return what checks answers against passages; figures of `known` may stand in them too."""
    shown = [f"{source.filename}\n{source.text}" for source in passages.sources]
    return AnswerChecker(known, shown)


def answer_format(fields: Mapping[str, msgspec.Raw]) -> AnswerFormat:
    """Return how an answer to a request with these fields can be checked."""
    structure = bytes(fields.get("response_format", b"null"))
    is_structured = structure != _NULL and msgspec.json.decode(structure).get("type") != "text"
    has_logprobs = bytes(fields.get("logprobs", _NULL)) == b"true"
    has_tools = "tools" in fields and bytes(fields.get("tool_choice", _NULL)) != b'"none"'
    return AnswerFormat(not is_structured and not has_logprobs, has_tools)


def is_first_question(messages: bytes) -> bool:
    """Whether a chat has one message of the user, and no answer yet."""
    roles = [message.role for message in _MESSAGES.decode(messages)]
    return roles.count("user") == 1 and not {"assistant", "tool"}.intersection(roles)


def conversation_text(messages: bytes) -> str:
    """Return the texts that the client wrote, also before the question: no answers of the model."""
    texts = []
    for message in _MESSAGES.decode(messages):
        if message.role != "assistant":
            content = message.content
            parts = content if isinstance(content, list) else [{"text": content}]
            texts += [part["text"] for part in parts if isinstance(part.get("text"), str)]
    return "\n".join(texts)
