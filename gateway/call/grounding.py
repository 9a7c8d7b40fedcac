"""The interfaces by which the request path verifies answers from retrieved passages.

Implemented in gateway/wire/file_search: grounded_answer.py, and grounded_stream.py for streams.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.grounding.answer import GroundedAnswer, Grounding
from models.grounding.draft import GrowingDraft

Corrections = Mapping[int, GroundedAnswer]
"""The answers in place of rejected drafts, by choice."""


@dataclass(frozen=True, slots=True)
class Quotation:
    """A passage or line that answers a question in place of the model, with the tokens to charge.

    The question is charged as input, the quoted text as output, both counted by the model's
    tokenizer. `upstream` is what answers, by its name on usage rows.
    """

    answer: GroundedAnswer
    input_tokens: int
    output_tokens: int
    upstream: str


class VerifiedAnswer(Protocol):
    """The drafts of an answer's choices, checked against the passages."""

    def rejected(self) -> Mapping[int, GrowingDraft]:
        """Return the drafts with a statement that no passage supports, by choice."""
        ...

    def groundings(self, corrections: Corrections) -> Sequence[Grounding]:
        """Return how each choice relates to the passages."""
        ...


class CheckedBody(VerifiedAnswer, Protocol):
    """A checked answer that is not streamed."""

    def encode(self, corrections: Corrections) -> bytes:
        """Return the body for the client, with verified citations and the list of passages."""
        ...


class GroundedStream(VerifiedAnswer, Protocol):
    """A stream of which only supported sentences are sent."""

    def feed(self, events: bytes) -> bytes:
        """Take complete events of the client's stream and return those that may be sent."""
        ...

    def end(self) -> bytes:
        """Return the events that may be sent at the end of the model's stream."""
        ...

    @property
    def is_futile(self) -> bool:
        """Whether all text that is still to come belongs to rejected drafts."""
        ...

    @property
    def is_holding(self) -> bool:
        """Whether text is held back."""
        ...

    def last_events(self, corrections: Corrections) -> bytes:
        """Return the rest of rejected choices, and the event with citations and passages."""
        ...


class Citations(Protocol):
    """The passages of an answer, against which it is checked and which it cites."""

    @property
    def question(self) -> str:
        """Return the question, whose language statements about the answer have."""
        ...

    @property
    def has_passages(self) -> bool:
        """Whether there is a passage to answer from."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """Return the texts of the passages."""
        ...

    def check_body(self, body: bytes) -> CheckedBody:
        """Check an answer that is not streamed. Takes milliseconds per thousand tokens."""
        ...

    def list_passages(self, body: bytes) -> bytes:
        """Return an answer that is not streamed with the list of passages, unchecked."""
        ...

    def open_stream(self, choices: int) -> GroundedStream:
        """Return what checks a stream with this number of choices."""
        ...

    def correct(self, draft: GrowingDraft, second_text: str | None) -> GroundedAnswer:
        """Return the answer in place of a rejected draft: the second text, or a quotation.

        The second text is used if it is verified and nothing of the draft was sent.
        """
        ...
