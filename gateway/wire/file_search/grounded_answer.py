"""Check a chat answer that is not streamed against its passages, choice by choice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.call.errors import UpstreamFailed
from gateway.call.grounding import Corrections
from gateway.wire.file_search.citations import FILE_SEARCH, CitedPassages
from models.grounding.answer import GroundedAnswer, Grounding
from models.grounding.check import AnswerChecker
from models.grounding.draft import GrowingDraft

_OBJECT = msgspec.json.Decoder(dict[str, Any])
CUT = "length"


@dataclass(slots=True)
class CheckedChoices:
    """A decoded answer and the checked draft of each of its choices, by index."""

    passages: CitedPassages
    answer: dict[str, Any]
    drafts: dict[int, GrowingDraft] = field(default_factory=dict)

    @classmethod
    def check(
        cls,
        body: bytes,
        passages: CitedPassages,
        checker: AnswerChecker,
        is_checked: bool,
        max_statements: int | None = None,
    ) -> "CheckedChoices":
        """Decode an answer and check its choices. Raises UpstreamFailed.

        A choice with tool calls is not checked: its text announces them.
        """
        try:
            checked = cls(passages, _OBJECT.decode(body))
        except (msgspec.MsgspecError, RecursionError, ValueError):
            raise UpstreamFailed("The model's response could not be parsed.") from None
        for choice, message in _messages(checked.answer):
            is_answer = is_checked and not message.get("tool_calls")
            draft = GrowingDraft(
                passages.question, checker, max_statements, is_unchecked=not is_answer
            )
            draft.feed(message.get("content") or "")
            draft.finish(choice.get("finish_reason") == CUT)
            if draft.is_rejected:
                draft.withdraw()
            checked.drafts[choice["index"]] = draft
        return checked

    def rejected(self) -> Mapping[int, GrowingDraft]:
        """Return the drafts with a statement that no passage supports, by choice."""
        return {index: draft for index, draft in self.drafts.items() if draft.is_rejected}

    def groundings(self, corrections: Corrections) -> Sequence[Grounding]:
        """Return how each choice relates to the passages."""
        return [answer.grounding for answer in self._answers(corrections).values()]

    def encode(self, corrections: Corrections) -> bytes:
        """Return the body for the client, with verified citations and the list of passages."""
        answers = self._answers(corrections)
        for choice, message in _messages(self.answer):
            index = choice["index"]
            if message.get("content") or index in corrections:
                message["content"] = answers[index].text
            message["annotations"] = self.passages.annotations(answers[index])
            if index in corrections:
                choice["finish_reason"] = "stop"
        self.answer[FILE_SEARCH] = self.passages.search_results(list(answers.values()))
        return msgspec.json.encode(self.answer)

    def _answers(self, corrections: Corrections) -> dict[int, GroundedAnswer]:
        """Return the final answer of each choice."""
        return {
            index: corrections.get(index) or final_answer(draft)
            for index, draft in self.drafts.items()
        }


def final_answer(draft: GrowingDraft) -> GroundedAnswer:
    """Return the answer of a draft that was not rejected."""
    text = draft.released if draft.is_unchecked else draft.released.strip()
    return GroundedAnswer(text, draft.grounding or Grounding.UNCHECKED)


def _messages(answer: Mapping[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the choices of an answer that have a message, each with its message."""
    choices = answer.get("choices") or []
    return [(one, one["message"]) for one in choices if isinstance(one.get("message"), dict)]
