"""Check a streamed chat answer sentence by sentence: only supported sentences are sent.

Each chunk's text is replaced by what may be released: nothing while a sentence is incomplete, then
the sentence with verified citations. An unsupported sentence ends the draft of its choice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.call.grounding import Corrections
from gateway.wire.file_search.citations import FILE_SEARCH, CitedPassages
from gateway.wire.file_search.grounded_answer import CUT, final_answer
from gateway.wire.sse import map_chunks
from models.grounding.answer import GroundedAnswer, Grounding
from models.grounding.check import AnswerChecker
from models.grounding.draft import GrowingDraft

_CHUNK = msgspec.json.Decoder(dict[str, Any])
_IDENTITY_FIELDS = ("id", "object", "created", "model", "service_tier")
_encode = msgspec.json.Encoder().encode


class GroundedChunks:
    """The drafts of the choices of one stream.

    `may_call_tools`: a draft may turn out to announce tool calls, so that it is rejected only when
    it ends without one.
    """

    def __init__(
        self,
        passages: CitedPassages,
        checker: AnswerChecker,
        choices: int,
        is_checked: bool,
        may_call_tools: bool,
        max_statements: int | None = None,
    ) -> None:
        self._passages = passages
        self._may_call_tools = may_call_tools
        self._drafts = {
            index: GrowingDraft(
                passages.question, checker, max_statements, is_unchecked=not is_checked
            )
            for index in range(choices)
        }
        self._ended: set[int] = set()
        self._identity: dict[str, Any] = {}

    def feed(self, events: bytes) -> bytes:
        """Take complete events of the client's stream and return those that may be sent."""
        return map_chunks(events, self._pass_chunk)

    def end(self) -> bytes:
        """Return the events that may be sent at the end of the model's stream."""
        events = []
        for index, draft in self._drafts.items():
            if index not in self._ended and self._identity:
                self._ended.add(index)
                if text := draft.finish():
                    events.append(self._event(_choice(index, {"content": text})))
        return b"".join(events)

    @property
    def is_futile(self) -> bool:
        """Whether all text that is still to come belongs to rejected drafts."""
        open_drafts = [draft for index, draft in self._drafts.items() if index not in self._ended]
        are_rejected = all(draft.is_rejected for draft in open_drafts)
        return bool(open_drafts) and are_rejected and not self._may_call_tools

    @property
    def is_holding(self) -> bool:
        """Whether text is held back."""
        return any(draft.is_holding for draft in self._drafts.values())

    def rejected(self) -> Mapping[int, GrowingDraft]:
        """Return the drafts with a statement that no passage supports, by choice."""
        return {index: draft for index, draft in self._drafts.items() if draft.is_rejected}

    def groundings(self, corrections: Corrections) -> Sequence[Grounding]:
        """Return how each choice relates to the passages."""
        return [answer.grounding for answer in self._answers(corrections).values()]

    def last_events(self, corrections: Corrections) -> bytes:
        """Return the rest of rejected choices, and the event with citations and passages."""
        events = []
        for index, answer in sorted(corrections.items()):
            rest = answer.text[len(self._drafts[index].released) :]
            events.append(self._event(_choice(index, {"content": rest})))
            events.append(self._event(_choice(index, {}, "stop")))
        answers = self._answers(corrections)
        choices = [
            _choice(index, {"annotations": self._passages.annotations(answer)})
            for index, answer in answers.items()
        ]
        results = self._passages.search_results(list(answers.values()))
        return b"".join([*events, self._event(*choices, **{FILE_SEARCH: results})])

    def _pass_chunk(self, event: bytes) -> bytes:
        """Return a chunk with the text that may be released; empty if nothing is left of it."""
        try:
            chunk = _CHUNK.decode(event[6:])
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return b""  # not UTF-8: no client could read it
        self._identity = {name: chunk[name] for name in _IDENTITY_FIELDS if name in chunk}
        chunk["choices"] = [one for one in chunk["choices"] if self._pass_choice(one)]
        return b"data: " + _encode(chunk) + b"\n\n" if chunk["choices"] else b""

    def _pass_choice(self, choice: dict[str, Any]) -> bool:
        """Replace a choice's text, in place, by what may be released; False if nothing is left."""
        index, delta = choice["index"], choice.get("delta")
        draft = self._drafts.get(index)
        if draft is None or index in self._ended or not isinstance(delta, dict):
            return False
        text, reason = delta.pop("content", None), choice.get("finish_reason")
        delta.pop("annotations", None)  # those of this module are sent at the end
        released = draft.release_unchecked() if delta.get("tool_calls") else ""
        if isinstance(text, str):
            released += draft.feed(text)
        if reason is not None:
            released += draft.finish(reason == CUT)
            self._ended.add(index)
            if draft.is_rejected:
                choice["finish_reason"] = None  # the correction ends the choice
        if released or "role" in delta:
            delta["content"] = released
        return bool(delta) or choice.get("finish_reason") is not None

    def _answers(self, corrections: Corrections) -> dict[int, GroundedAnswer]:
        """Return the final answer of each choice."""
        return {
            index: corrections.get(index) or _streamed_answer(draft)
            for index, draft in self._drafts.items()
        }

    def _event(self, *choices: dict[str, Any], **fields: Any) -> bytes:
        """Return a chunk of this stream as an event."""
        return b"data: " + _encode({**self._identity, "choices": choices, **fields}) + b"\n\n"


def _streamed_answer(draft: GrowingDraft) -> GroundedAnswer:
    """Return the answer of a draft that was not rejected, with the white space that was sent."""
    return GroundedAnswer(draft.released, final_answer(draft).grounding)


def _choice(index: int, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """Return a choice of a chunk."""
    return {"index": index, "delta": delta, "finish_reason": reason}
