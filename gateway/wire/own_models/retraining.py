"""Parse the schedule by which an own model is trained again."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from billing.money import nano_from_text
from gateway.call.errors import ParameterInvalid
from gateway.wire import body as bodies

_Name = Annotated[str, Meta(min_length=1, max_length=200)]


class RetrainingRequest(msgspec.Struct):
    """`PUT /v1/models/{model}/retraining`: when a model is trained again, on what, for how much.

    `every` week or month, or on significant `drift`. `file` is always used, `filename` stands for
    the newest file of that name. `budget` is the most that a calendar month's trainings may cost,
    in the account's currency. With `automatic`, a version that is better is used at once.
    `with_observations` appends observed results that were reported with inputs to the file.
    """

    every: Literal["week", "month", "drift"]
    budget: str
    file: _Name | None = None
    filename: _Name | None = None
    automatic: bool = False
    with_observations: bool = False

    @property
    def budget_nano(self) -> int:
        """The budget in nano-units. Raises ParameterInvalid."""
        try:
            nano = nano_from_text(self.budget)
        except ValueError:
            nano = 0
        if not 0 < nano < 2**63:
            raise ParameterInvalid(
                "`budget` must be an amount in the account's currency as text, such as `12.50`.",
                param="budget",
            )
        return nano


_DECODER = msgspec.json.Decoder(RetrainingRequest)


def parse_retraining_request(body: bytes) -> RetrainingRequest:
    """Parse and validate the body. Raises BodyNotJson, ParameterInvalid naming the field."""
    return validate_retraining_request(bodies.decode_body_strict(_DECODER, body))


def validate_retraining_request(request: RetrainingRequest) -> RetrainingRequest:
    """Return the request if its fields fit together. Raises ParameterInvalid."""
    if (request.file is None) == (request.filename is None):
        raise ParameterInvalid("Name either `file` or `filename`.", param="file")
    if "\x00" in (request.filename or ""):
        raise ParameterInvalid("`filename` contains a NUL character.", param="filename")
    # Raises for an amount that is none.
    _ = request.budget_nano
    return request
