"""The stage of a decision: reserve for all its calls, ask specialists, ask the language model.

    plan -> reserve linked calls -> (the pipeline admits the decision) -> ask -> one response

The decision is one call with one usage row for the tokens of all its prompts, or for the rows of
the specialist that it names. Other specialists have a linked call each. If anything fails that is
not about a single question, nothing is answered and nothing is billed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.asgi.exchange import ClientExchange
from gateway.call.decisions import Refusal
from gateway.call.errors import ParameterUnsupported
from gateway.call.values import (
    AdmittedCall,
    Call,
    CallResult,
    ParsedRequest,
    Principal,
    UpstreamTarget,
)
from gateway.inference.call_metrics import CallMetrics
from gateway.inference.decisions.calibrations import ModelCalibrations
from gateway.inference.decisions.planning import DecisionPlan, DecisionPlanner, PlannedPrediction
from gateway.inference.decisions.specialist_answers import (
    Predicted,
    predict_rows,
    read_probabilities,
)
from gateway.inference.decisions.text_answers import TextAnswers, TextAsker
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.internal.detached_sender import DetachedSender
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.model_selection import selection_headers
from gateway.wire.decisions.answers import (
    Answer,
    RefusalAnswer,
    Source,
    build_answer,
    build_refusal,
    encode_decision,
)
from gateway.wire.generation import JSON_HEADERS
from infra import ids
from models.decision_calibration.outputs import NotAnswerable, OutputForm

# The hold of a batch pays for one call per line.
LINKED_IN_BATCH = (
    "In a batch, a specialist answers only as the `model` of the line, not in `specialist`."
)
_NO_UNITS = Quantities(input_tokens=0, output_tokens=0)


@dataclass(frozen=True, slots=True)
class DecisionCall:
    """An admitted decision with its plan and its linked calls."""

    call: Call
    admitted: AdmittedCall
    client: ClientExchange
    linked: LinkedCalls
    plan: DecisionPlan


class DecisionStage:
    """Answers the decisions of one gateway process."""

    def __init__(
        self,
        planner: DecisionPlanner,
        sender: DetachedSender,
        call_metrics: CallMetrics,
        calibrations: ModelCalibrations,
        timeout_s: float,
    ) -> None:
        """`timeout_s` is how long nothing may be answered."""
        self.planner = planner
        self._sender = sender
        self._call_metrics = call_metrics
        self._calibrations = calibrations
        self._timeout_s = timeout_s

    async def reserve(
        self,
        call: Call,
        client: ClientExchange,
        principal: Principal,
        request: ParsedRequest,
        linked: LinkedCalls,
    ) -> DecisionPlan:
        """Plan a decision, name the selected model in the headers, reserve for linked calls.

        Raises the errors of planning and of admission.
        """
        if request.selection is not None:
            client.extra_headers.update(selection_headers(request.selection))
        plan = self.planner.plan(call, principal, request)
        if plan.linked:
            if call.held_money is not None:
                raise ParameterUnsupported(LINKED_IN_BATCH, param="questions")
            async with client.deadline(self._timeout_s):
                requests = [planned.request for planned in plan.linked]
                await linked.reserve(principal, requests, PREDICTIONS)
        return plan

    async def answer(self, decision: DecisionCall) -> CallResult:
        """Ask everything that the plan asks and return the result with the whole response.

        Raises an AppError or ClientDisconnected, after which nothing of the decision is billed.
        """
        plan, client = decision.plan, decision.client
        answers: dict[int, Answer] = {
            number: build_refusal(plan.questions[number], refusal)
            for number, refusal in plan.refusals.items()
        }
        async with client.deadline(self._timeout_s) as deadline:
            own = await self._ask_specialists(decision, answers)
            deadline.extend(self._timeout_s)
            asker = TextAsker(
                self._sender,
                decision.call,
                decision.admitted,
                self._calibrations.of(decision.admitted.request),
                lambda: deadline.extend(self._timeout_s),
            )
            texts = await asker.ask_all(plan)
        self._add_text_answers(decision, texts, answers)
        return self._result(
            decision, own, texts, [answers[at] for at in range(len(plan.questions))]
        )

    async def _ask_specialists(
        self, decision: DecisionCall, answers: dict[int, Answer]
    ) -> CallResult | None:
        """Add the answers of all specialists; return the result of the decision's own, if any."""
        plan, principal = decision.plan, decision.admitted.principal
        for planned in plan.linked:
            call = decision.linked.new_call(ids.new_id(), PREDICTIONS)

            async def work(
                admitted: AdmittedCall,
                call: Call = call,
                planned: PlannedPrediction = planned,
            ) -> CallResult:
                """Predict the rows of a linked call and add its answers."""
                predicted = await predict_rows(self._sender, call, admitted, planned)
                self._add_predicted(plan, planned, predicted, answers)
                return predicted.result

            await decision.linked.execute(call, principal, planned.request, work)
        if plan.own is None:
            return None
        predicted = await predict_rows(self._sender, decision.call, decision.admitted, plan.own)
        self._add_predicted(plan, plan.own, predicted, answers)
        return predicted.result

    def _add_predicted(
        self,
        plan: DecisionPlan,
        planned: PlannedPrediction,
        predicted: Predicted,
        answers: dict[int, Answer],
    ) -> None:
        """Add the answers that a specialist's predictions give."""
        for question in planned.questions:
            is_calibrated = question.output.form is not OutputForm.NUMBER
            source = Source("specialist", planned.resolved.public_name, is_calibrated)
            asked, row = plan.questions[question.number], predicted.rows[question.row]
            if isinstance(row, Refusal):
                answers[question.number] = build_refusal(asked, row)
                continue
            try:
                chances = read_probabilities(asked, question, row)
                answers[question.number] = build_answer(asked, chances, source, row)
            except NotAnswerable as reason:
                refusal = Refusal(reason.code, reason.message)
                answers[question.number] = build_refusal(asked, refusal)

    def _add_text_answers(
        self, decision: DecisionCall, texts: TextAnswers, answers: dict[int, Answer]
    ) -> None:
        """Add the language model's answers."""
        request, plan = decision.admitted.request, decision.plan
        fitted = self._calibrations.of(request)
        for number, refusal in texts.refusals.items():
            answers[number] = build_refusal(plan.questions[number], refusal)
        for number, chances in texts.chances.items():
            asked = plan.questions[number]
            is_calibrated = asked.typed.kind in fitted
            source = Source("language_model", _public_name(request), is_calibrated)
            answers[number] = build_answer(asked, chances, source)

    def _result(
        self,
        decision: DecisionCall,
        own: CallResult | None,
        texts: TextAnswers,
        answers: Sequence[Answer],
    ) -> CallResult:
        """Return the result of the decision with its response."""
        for answer in answers:
            self._call_metrics.record_decision_answer(_answered_by(answer))
        used = texts.quantities if own is None else own.quantities
        linked = sum(decision.linked.executed_quantities(), _NO_UNITS)
        public_id = ids.format_id(REQUEST_ID_PREFIX, decision.call.request_id)
        model = _public_name(decision.admitted.request)
        body = encode_decision(public_id, model, answers, used + linked)
        result = CallResult(Settlement.COMPLETE, 200, body, JSON_HEADERS, quantities=used)
        if own is not None:
            return replace(result, upstream=own.upstream, input_bins=own.input_bins)
        return replace(result, upstream=_only(texts.upstreams))


def _public_name(request: ParsedRequest) -> str:
    """Return the name of the decision's model in the API."""
    return request.model.id if request.decision is None else request.decision.public_name


def _answered_by(answer: Answer) -> str:
    """Return what answered a question, for the metrics."""
    return "refusal" if isinstance(answer, RefusalAnswer) else answer.source.type


def _only(upstreams: Sequence[UpstreamTarget]) -> UpstreamTarget | None:
    """Return the upstream that answered all prompts; None if there were several.

    What several upstreams cost together cannot be computed from one sum of tokens.
    """
    names = {upstream.name for upstream in upstreams}
    return upstreams[0] if len(names) == 1 else None
