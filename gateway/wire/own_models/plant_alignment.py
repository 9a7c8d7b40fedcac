"""Parse the settings by which mappings of an account's plant points are proposed and learned."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from billing.money import nano_from_text
from gateway.call.errors import ParameterInvalid
from gateway.wire import body as bodies

DEFAULT_THRESHOLD = 200
MIN_THRESHOLD, MAX_THRESHOLD = 10, 3_000
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_Threshold = Annotated[int, Meta(ge=MIN_THRESHOLD, le=MAX_THRESHOLD)]


class AlignmentTraining(msgspec.Struct):
    """When confirmed mappings train the next version of the account's own model.

    Training starts after so many new or corrected `confirmations`. `budget` is the most that the
    trainings of a calendar month may cost, in the account's currency.
    """

    budget: str
    confirmations: _Threshold = DEFAULT_THRESHOLD

    @property
    def budget_nano(self) -> int:
        """The budget in nano-units. Raises ParameterInvalid."""
        return _nano_of(self.budget, "training.budget")


class AlignmentRequest(msgspec.Struct):
    """`PUT /v1/plant/alignment`: propose mappings of new points in the background.

    `model` is the base model, by default the first one that aligns tags; `name` that of the
    account's own versions. `budget` is the most that proposals may cost in a calendar month, in the
    account's currency; each point is billed like a row of `/v1/tags/align`. With `training`, the
    account consents to training its own versions on its confirmed mappings; null trains nothing.
    """

    budget: str
    model: str = ""
    name: str = "plant"
    training: AlignmentTraining | None = None

    @property
    def budget_nano(self) -> int:
        """The budget in nano-units. Raises ParameterInvalid."""
        return _nano_of(self.budget, "budget")


_DECODER = msgspec.json.Decoder(AlignmentRequest)


def parse_alignment_settings(body: bytes) -> AlignmentRequest:
    """Parse and validate the body. Raises BodyNotJson, ParameterInvalid naming the field."""
    request = bodies.decode_body_strict(_DECODER, body)
    if not _NAME.fullmatch(request.name):
        raise ParameterInvalid(
            "`name` must have 1 to 40 lower-case letters, digits and hyphens, for example `plant`.",
            param="name",
        )
    # Raises for amounts that are none.
    _ = request.budget_nano, request.training and request.training.budget_nano
    return request


def _nano_of(text: str, param: str) -> int:
    """Return an amount in nano-units. Raises ParameterInvalid."""
    try:
        nano = nano_from_text(text)
    except ValueError:
        nano = 0
    if not 0 < nano < 2**63:
        raise ParameterInvalid(
            f"`{param}` must be an amount in the account's currency as text, such as `12.50`.",
            param=param,
        )
    return nano
