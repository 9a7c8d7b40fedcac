"""Plan a decision: which questions specialists answer from readings, and which the language model.

A question that names a specialist goes to it. With the model `auto`, a question that plainly asks
for a specialist's output goes to it too, if its readings have exactly the specialist's columns.
Each specialist predicts all its rows at once; equal rows are predicted once.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.decisions import AskedQuestion, Refusal, SpecialistReference
from gateway.call.tags import parse_tags
from gateway.call.values import Call, ParsedRequest, Principal, ResolvedModel
from gateway.inference.decisions.calibrations import ModelCalibrations
from gateway.inference.decisions.matching import Match, choose_output, choose_readings, find_match
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.model_selection import ModelSelector
from gateway.inference.parsing import Parser, variant_tags
from gateway.wire.decisions.upstream import with_text_questions
from gateway.wire.inference import ColumnValue, PredictionRequest, build_prediction_request
from infra import ids
from infra.errors import AppError
from models.catalog import SPECIALIST_TASKS
from models.decision_calibration.outputs import NotAnswerable, Output
from models.decision_calibration.questions import QuestionKind

Row = dict[str, ColumnValue]
# The place of a row in the request, which the customer did not send.
_OF_INSTANCE = re.compile(r"instances\[\d+\]\.?")


@dataclass(frozen=True, slots=True)
class SpecialistQuestion:
    """A question that a row of a prediction answers, by one of its outputs."""

    number: int
    reference: SpecialistReference
    output: Output
    row: int


@dataclass(frozen=True, slots=True)
class PlannedPrediction:
    """One call of a specialist: its rows, its request, and the questions that it answers."""

    resolved: ResolvedModel
    request: ParsedRequest
    rows: tuple[Row, ...]
    units: Mapping[str, str]
    questions: tuple[SpecialistQuestion, ...]


@dataclass(frozen=True, slots=True)
class DecisionPlan:
    """Who answers which question, by its number.

    `request` is the request of the decision itself: that of the language model, or that of the
    specialist which the request names (`own`). `linked` are calls of other specialists. `open` are
    the questions that the language model answers.
    """

    request: ParsedRequest
    questions: tuple[AskedQuestion, ...]
    open: tuple[int, ...]
    own: PlannedPrediction | None
    linked: tuple[PlannedPrediction, ...]
    refusals: Mapping[int, Refusal]


class DecisionPlanner:
    """Plans the decisions of one gateway process."""

    def __init__(
        self, parser: Parser, selector: ModelSelector, calibrations: ModelCalibrations
    ) -> None:
        self._parser = parser
        self._selector = selector
        self._calibrations = calibrations

    def plan(self, call: Call, principal: Principal, request: ParsedRequest) -> DecisionPlan:
        """Return the plan of a parsed decision.

        Raises ModelNotFound, ModelNotInstalled and WrongEndpoint for a specialist that a question
        names. Other faults of a question become its refusal.
        """
        decision = request.decision
        if decision is None:
            raise ValueError("The request is no decision.")
        draft = _Draft(call, principal)
        for number, asked in enumerate(decision.questions):
            if asked.refusal is not None:
                draft.refusals[number] = asked.refusal
                continue
            found = self._find_specialist(principal, request, asked, number)
            if found is None:
                draft.open.append(number)
            else:
                draft.assign(number, asked, *found)
        fitted = self._calibrations.of(request)
        return draft.finish(request, {kind for kind, one in fitted.items() if one.prior_weight})

    def _find_specialist(
        self, principal: Principal, request: ParsedRequest, asked: AskedQuestion, number: int
    ) -> tuple[ResolvedModel, SpecialistReference] | None:
        """Return the specialist that answers a question; None for the language model.

        The error of one that the question names has the path of its field.
        """
        decision, reference = request.decision, asked.specialist
        if reference is None and request.model.task in SPECIALIST_TASKS and decision is not None:
            reference = SpecialistReference(decision.public_name)
        if reference is None and decision is not None and decision.is_auto:
            match = self._find_match(principal, asked)
            reference = None if match is None else SpecialistReference(match.model.id, match.output)
        if reference is None:
            return None
        if asked.specialist is None:
            resolved = self._parser.resolve_model(reference.model, None, PREDICTIONS, principal)
        else:
            resolved = self._parser.resolve_model_of_field(
                reference.model,
                PREDICTIONS,
                principal,
                f"questions[{number}].specialist.model",
            )
        return resolved, reference

    def _find_match(self, principal: Principal, asked: AskedQuestion) -> Match | None:
        """Return the specialist whose output a question plainly asks for."""
        for readings in asked.readings:
            models = self._selector.specialists_for_columns(
                frozenset(readings), principal.model_prices
            )
            if match := find_match(asked, models):
                return match
        return None


class _Draft:
    """A plan in the making: rows and questions by specialist."""

    def __init__(self, call: Call, principal: Principal) -> None:
        self._public_id = ids.format_id(REQUEST_ID_PREFIX, call.request_id)
        self._tags, self._variants = parse_tags(call.headers), principal.variants
        self.open: list[int] = []
        self.refusals: dict[int, Refusal] = {}
        self._groups: dict[str, _Group] = {}

    def assign(
        self,
        number: int,
        asked: AskedQuestion,
        resolved: ResolvedModel,
        reference: SpecialistReference,
    ) -> None:
        """Give a question to a specialist, or refuse it if it lacks something."""
        try:
            output = choose_output(resolved.model, reference)
            readings = choose_readings(resolved.model, asked)
            row = msgspec.convert(dict(readings), Row)
        except NotAnswerable as reason:
            self.refusals[number] = Refusal(reason.code, reason.message)
            return
        except msgspec.ValidationError as error:
            message = f"The readings are no row of values: {error}."
            self.refusals[number] = Refusal("inputs_invalid", message)
            return
        group = self._groups.setdefault(
            resolved.upstream_name, _Group(resolved, row.keys(), reference.units)
        )
        if row.keys() != group.columns or reference.units != group.units:
            message = "Questions for one specialist must have the same columns and units."
            self.refusals[number] = Refusal("inputs_mismatch", message)
            return
        place = group.place(row)
        group.questions.append(SpecialistQuestion(number, reference, output, place))

    def finish(self, request: ParsedRequest, with_prior: Container[QuestionKind]) -> DecisionPlan:
        """Return the plan, with the requests of all predictions.

        Types `with_prior` are also asked without the input.
        """
        decision = request.decision
        if decision is None:
            raise ValueError("The request is no decision.")
        predictions = [one for group in self._groups.values() if (one := self._build(group))]
        own = next(
            (one for one in predictions if one.resolved.upstream_name == decision.upstream_name),
            None,
        )
        linked = tuple(one for one in predictions if one is not own)
        if own is not None:
            request = replace(
                own.request,
                selection=request.selection,
                tags=request.tags,
                service_tier=request.service_tier,
                decision=decision,
            )
        else:
            questions = [decision.questions[number] for number in self.open]
            request = with_text_questions(request, questions, with_prior)
        return DecisionPlan(
            request, decision.questions, tuple(self.open), own, linked, self.refusals
        )

    def _build(self, group: "_Group") -> PlannedPrediction | None:
        """Return the prediction of a group; None, and its questions refused, if it has none."""
        resolved = group.resolved
        try:
            built = build_rows_request(resolved, group.rows, group.units, self._public_id)
        except AppError as error:
            rows = range(len(group.rows))
            valid = [row for row in rows if self._is_valid(group, row)]
            if len(valid) == len(rows):
                valid = _rows_of_usual_types(group.rows)
                self._refuse(group, set(rows) - set(valid) or rows, error)
            is_left = 0 < len(valid) < len(rows)
            return self._build(group.with_rows(valid)) if is_left else None
        is_variant = resolved.public_name in self._variants
        tags = {**(self._tags or {}), **(variant_tags(resolved) if is_variant else {})}
        built = replace(built, tags=tags or None)
        return PlannedPrediction(
            resolved, built, tuple(group.rows), group.units, tuple(group.questions)
        )

    def _is_valid(self, group: "_Group", row: int) -> bool:
        """Return whether a row can be predicted by itself; else refuse its questions."""
        try:
            build_rows_request(group.resolved, [group.rows[row]], group.units, self._public_id)
        except AppError as error:
            self._refuse(group, [row], error)
            return False
        return True

    def _refuse(self, group: "_Group", rows: Container[int], error: AppError) -> None:
        """Refuse the questions of some rows of a group."""
        refusal = Refusal("inputs_invalid", _OF_INSTANCE.sub("", error.message))
        self.refusals |= {one.number: refusal for one in group.questions if one.row in rows}


class _Group:
    """The rows and questions of one specialist."""

    def __init__(
        self, resolved: ResolvedModel, columns: Iterable[str], units: Mapping[str, str]
    ) -> None:
        self.resolved = resolved
        self.columns = frozenset(columns)
        self.units = units
        self.rows: list[Row] = []
        self.questions: list[SpecialistQuestion] = []

    def place(self, row: Row) -> int:
        """Return the index of a row, added unless there is an equal one."""
        if row not in self.rows:
            self.rows.append(row)
        return self.rows.index(row)

    def with_rows(self, kept: Sequence[int]) -> "_Group":
        """Return a group of some of the rows, with their questions."""
        group = _Group(self.resolved, self.columns, self.units)
        group.rows = [self.rows[row] for row in kept]
        group.questions = [
            replace(one, row=kept.index(one.row)) for one in self.questions if one.row in kept
        ]
        return group


def _rows_of_usual_types(rows: Sequence[Row]) -> list[int]:
    """Return the rows whose values have the types that most rows have."""
    types = [
        tuple(type(row[name]) in (int, float) or type(row[name]) for name in sorted(row))
        for row in rows
    ]
    usual, _ = Counter(types).most_common(1)[0]
    return [number for number, one in enumerate(types) if one == usual]


def build_rows_request(
    resolved: ResolvedModel, rows: Iterable[Row], units: Mapping[str, str], public_id: str
) -> ParsedRequest:
    """Return the request that predicts these rows. Raises ParameterInvalid."""
    body = PredictionRequest(resolved.public_name, list(rows), dict(units))
    return build_prediction_request(body, resolved, public_id)
