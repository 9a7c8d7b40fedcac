"""Parse customer feedback on an answer, and the training example that it may contain."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.wire import body as bodies

# Maximum size of a dialogue with its answer: shared models are not trained on longer ones.
MAX_DIALOGUE_BYTES = 48 << 10
# PostgreSQL text cannot hold it.
_NUL = "\x00"


class FeedbackMessage(msgspec.Struct, forbid_unknown_fields=True):
    """A message of the rated conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class FeedbackRequest(msgspec.Struct):
    """`POST /v1/feedback`: a rating of the call with the `x-request-id` `request_id`.

    `answer` is the model's response if it is good, `correction` the correct response if it is bad.
    Either needs the `messages` of the call. These three are stored only with `consent`, which
    allows training the shared model on them.
    """

    request_id: str
    rating: Literal["good", "bad"]
    comment: Annotated[str, Meta(max_length=4000)] | None = None
    messages: Annotated[list[FeedbackMessage], Meta(min_length=1, max_length=64)] | None = None
    answer: str | None = None
    correction: str | None = None
    consent: bool = False


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A training example: a dialogue and its correct answer."""

    messages: tuple[FeedbackMessage, ...]
    answer: str


_FEEDBACK = msgspec.json.Decoder(FeedbackRequest)


def parse_feedback(body: bytes) -> FeedbackRequest:
    """Parse and validate a feedback body. Raises BodyNotJson, ParameterInvalid naming the field."""
    request = bodies.decode_body_strict(_FEEDBACK, body)
    if _NUL in (request.comment or ""):
        raise ParameterInvalid("`comment` contains a NUL character.", param="comment")
    training_example_of(request)
    return request


def training_example_of(request: FeedbackRequest) -> TrainingExample | None:
    """Return the training example in a feedback, or None without one. Raises ParameterInvalid."""
    name, other = ("answer", "correction") if request.rating == "good" else ("correction", "answer")
    if getattr(request, other) is not None:
        raise ParameterInvalid(
            "Use `answer` with the rating `good` and `correction` with the rating `bad`: "
            f"`{other}` belongs to the other rating.",
            param=other,
        )
    answer: str | None = getattr(request, name)
    if (answer is None) != (request.messages is None):
        missing = name if answer is None else "messages"
        raise ParameterInvalid(
            f"Send `messages` (the conversation of the call) together with `{name}`.", param=missing
        )
    if answer is None or request.messages is None:
        return None
    if not answer.strip() or _NUL in answer:
        raise ParameterInvalid(f"`{name}` is empty or contains a NUL character.", param=name)
    _require_dialogue(request.messages)
    size = len(answer.encode()) + sum(len(one.content.encode()) for one in request.messages)
    if size > MAX_DIALOGUE_BYTES:
        raise ParameterInvalid(
            f"The conversation is larger than {MAX_DIALOGUE_BYTES >> 10} KiB.", param="messages"
        )
    return TrainingExample(tuple(request.messages), answer)


def _require_dialogue(messages: list[FeedbackMessage]) -> None:
    """Raise ParameterInvalid unless roles alternate after any system message, user last."""
    for index, message in enumerate(messages):
        if not message.content.strip() or _NUL in message.content:
            path = f"messages[{index}].content"
            raise ParameterInvalid(f"`{path}` is empty or contains a NUL character.", param=path)
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[0] == "system" else roles
    expected = [("user", "assistant")[index % 2] for index in range(len(turns))]
    if not turns or turns != expected or turns[-1] != "user":
        raise ParameterInvalid(
            "`messages` may start with one `system` message; after it, `user` and "
            "`assistant` must alternate, and the last message must be from `user`.",
            param="messages",
        )
