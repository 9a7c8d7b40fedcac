"""What a customer says of an answer: the body, and what of it can be learned from."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.wire import body as bodies

# Of a dialogue with its answer: what is longer no model of this kind learns from.
MOST_BYTES = 48 << 10
# PostgreSQL's texts hold none.
_NUL = "\x00"


class FeedbackMessage(msgspec.Struct, forbid_unknown_fields=True):
    """A message of the dialogue, as it was asked."""

    role: Literal["system", "user", "assistant"]
    content: str


class FeedbackRequest(msgspec.Struct):
    """`POST /v1/feedback`, about the call that had this `x-request-id`.

    `answer` is what the model said, where that was good; `correction` what it should have said.
    Either goes with the `messages` that were asked. Only with `consent` are these three kept: the
    shared model may then learn from them.
    """

    request_id: str
    rating: Literal["good", "bad"]
    comment: Annotated[str, Meta(max_length=4000)] | None = None
    messages: Annotated[list[FeedbackMessage], Meta(min_length=1, max_length=64)] | None = None
    answer: str | None = None
    correction: str | None = None
    consent: bool = False


@dataclass(frozen=True, slots=True)
class Lesson:
    """A dialogue and its right answer."""

    messages: tuple[FeedbackMessage, ...]
    answer: str


_FEEDBACK = msgspec.json.Decoder(FeedbackRequest)


def read_feedback(body: bytes) -> FeedbackRequest:
    """Check the body. Raises BodyNotJson, ParameterInvalid naming the field."""
    request = bodies.read_strictly(_FEEDBACK, body)
    if _NUL in (request.comment or ""):
        raise ParameterInvalid("`comment` holds a NUL character.", param="comment")
    lesson_of(request)
    return request


def lesson_of(request: FeedbackRequest) -> Lesson | None:
    """What can be learned from it, if anything. Raises ParameterInvalid."""
    name, other = ("answer", "correction") if request.rating == "good" else ("correction", "answer")
    if getattr(request, other) is not None:
        raise ParameterInvalid(
            "A good answer goes into `answer`, what should have been said instead of a bad one "
            f"into `correction`: `{other}` goes with the other rating.",
            param=other,
        )
    answer: str | None = getattr(request, name)
    if (answer is None) != (request.messages is None):
        missing = name if answer is None else "messages"
        raise ParameterInvalid(
            f"`messages`, as they were asked, and `{name}` go together.", param=missing
        )
    if answer is None or request.messages is None:
        return None
    if not answer.strip() or _NUL in answer:
        raise ParameterInvalid(f"`{name}` is empty, or holds a NUL character.", param=name)
    _require_dialogue(request.messages)
    if len(answer.encode()) + sum(len(one.content.encode()) for one in request.messages) > (
        MOST_BYTES
    ):
        raise ParameterInvalid(
            f"The dialogue has more than {MOST_BYTES >> 10} KiB.", param="messages"
        )
    return Lesson(tuple(request.messages), answer)


def _require_dialogue(messages: list[FeedbackMessage]) -> None:
    for at, one in enumerate(messages):
        if not one.content.strip() or _NUL in one.content:
            place = f"messages[{at}].content"
            raise ParameterInvalid(f"`{place}` is empty, or holds a NUL character.", param=place)
    roles = [one.role for one in messages]
    spoken = roles[1:] if roles[0] == "system" else roles
    wanted = [("user", "assistant")[at % 2] for at in range(len(spoken))]
    if not spoken or spoken != wanted or spoken[-1] != "user":
        raise ParameterInvalid(
            "After at most one of `system`, `user` and `assistant` take turns, and the last "
            "message is the user's.",
            param="messages",
        )
