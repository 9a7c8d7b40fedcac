"""Parse requests for evaluation runs. Docstrings of the bodies are part of the OpenAPI document."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from billing.money import nano_from_text
from gateway.call.errors import ParameterInvalid
from gateway.wire import body as bodies
from models.evaluation.scoring import Scoring

DEFAULT_MAX_TOKENS = 512
MAX_MAX_TOKENS = 32_768
_ModelName = Annotated[str, Meta(min_length=1, max_length=200)]


class RunRequest(msgspec.Struct):
    """`POST /v1/evals/runs` and `POST /v1/evals/runs/quote`.

    `file` has the purpose `evals`. `against` is the model to compare with. `scoring` replaces the
    default of questions without their own. `max_tokens` limits each answer, `max_cost` the run, in
    the account's currency.
    """

    model: _ModelName
    file: str
    against: _ModelName | None = None
    name: Annotated[str, Meta(max_length=200)] | None = None
    scoring: Literal["auto", "exact", "contains", "number", "choice"] = "auto"
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_MAX_TOKENS)] = DEFAULT_MAX_TOKENS
    max_cost: str | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The model, and the one to compare with if there is one."""
        return (self.model,) if self.against is None else (self.model, self.against)

    @property
    def default_scoring(self) -> Scoring | None:
        """The scoring of questions without their own, None for the one of their form."""
        return None if self.scoring == "auto" else Scoring(self.scoring)

    @property
    def max_cost_nano(self) -> int | None:
        """The limit of the run's cost in nano-units, None for none. Raises ParameterInvalid."""
        return None if self.max_cost is None else parse_max_cost(self.max_cost)


class ResumeRequest(msgspec.Struct):
    """`POST /v1/evals/runs/{run}/resume`: a new limit of the whole run's cost, if any."""

    max_cost: str | None = None


_DECODER = msgspec.json.Decoder(RunRequest)
_RESUME_DECODER = msgspec.json.Decoder(ResumeRequest)


def parse_run_request(body: bytes) -> RunRequest:
    """Parse and validate the body of an evaluation run.

    Raises BodyNotJson, ParameterInvalid naming the field.
    """
    return validate_run_request(bodies.decode_body_strict(_DECODER, body))


def parse_resume_request(body: bytes) -> int | None:
    """Return the new cost limit of a run in nano-units, None to keep it.

    Raises BodyNotJson, ParameterInvalid.
    """
    if not body.strip():
        return None
    text = bodies.decode_body_strict(_RESUME_DECODER, body).max_cost
    return None if text is None else parse_max_cost(text)


def validate_run_request(request: RunRequest) -> RunRequest:
    """Return the request if its fields fit together. Raises ParameterInvalid."""
    if request.against == request.model:
        raise ParameterInvalid(
            "`against` is the same model as `model`. Name another model, or leave it out.",
            param="against",
        )
    if request.name is not None and not request.name.isprintable():
        raise ParameterInvalid("`name` must have printable characters only.", param="name")
    if request.max_cost is not None:
        parse_max_cost(request.max_cost)
    return request


def parse_max_cost(text: str) -> int:
    """Parse a cost limit of more than 0 to nano-units. Raises ParameterInvalid."""
    try:
        nano = nano_from_text(text)
    except ValueError:
        raise ParameterInvalid(
            "`max_cost` must be an amount in the account's currency as text, for example `0.50`.",
            param="max_cost",
        ) from None
    if nano == 0:
        raise ParameterInvalid("`max_cost` must be more than 0.", param="max_cost")
    return nano
