"""The questions of a decision request, between parsing and answering (docs/typed-decisions.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from models.decision_calibration.questions import TypedQuestion

Readings = Mapping[str, Any]
"""Values by column, as rows of `/v1/predictions` have them."""


@dataclass(frozen=True, slots=True)
class SpecialistReference:
    """The specialist that a question names, and what of its prediction answers the question.

    `output` may be None if the specialist has one output only. `class_name` is the class of a
    predicate, `above` or `below` its limit for a number. `units` are the units of readings that are
    not in the specialist's.
    """

    model: str
    output: str | None = None
    class_name: str | None = None
    above: float | None = None
    below: float | None = None
    units: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a question is not answered; the other questions can be."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """One question of a request.

    `values` are the choices or the labels of the levels, `minimums` the lowest numbers of levels.
    `readings` are JSON objects that may be a specialist's inputs: the question's own, then those of
    the input, the last one first. `refusal` is set if nothing can answer it.
    """

    name: str | None
    typed: TypedQuestion
    values: tuple[str | bool, ...] = ()
    minimums: tuple[float | None, ...] = ()
    readings: tuple[Readings, ...] = ()
    specialist: SpecialistReference | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class DecisionPrompts:
    """The prompts for a language model: a shared start, and the rest of each prompt."""

    shared: str
    ends: tuple[str, ...]


_NO_PROMPTS = DecisionPrompts("", ())


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """The input and the questions of a request, and the names of the model that was resolved.

    `is_auto` is True if the gateway chose the model, so that specialists may answer questions that
    do not name one. `prompts` are those for the questions that the language model answers.
    """

    context: str
    questions: tuple[AskedQuestion, ...]
    is_auto: bool
    upstream_name: str = ""
    public_name: str = ""
    prompts: DecisionPrompts = _NO_PROMPTS
