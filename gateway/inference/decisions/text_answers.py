"""Ask a language model the questions of a decision, by the log-probabilities of option letters."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from billing.rating.quantities import Quantities
from gateway.call.decisions import AskedQuestion, Refusal
from gateway.call.errors import BadRequest, UpstreamFailed
from gateway.call.values import AdmittedCall, Call, UpstreamTarget
from gateway.inference.decisions.planning import DecisionPlan
from gateway.inference.decisions.sending import run_all
from gateway.inference.internal.detached_sender import DetachedSender
from gateway.wire.decisions.upstream import ballot_request
from models.decision_calibration.ballots import Order, both_orders, split_into_groups
from models.decision_calibration.calibration import (
    UNCALIBRATED,
    TypeCalibration,
    probabilities,
)
from models.decision_calibration.logprobs import decode_first_token
from models.decision_calibration.prompts import CONTENT_FREE, render_input
from models.decision_calibration.questions import QuestionKind, TypedQuestion
from models.decision_calibration.scoring import (
    NoOptionChosen,
    Scores,
    average_orders,
    best_option,
    equal_scores,
    join_rounds,
    letter_scores,
)

NO_ANSWER = Refusal("no_option_chosen", "The model's answer was none of the options.")


_NO_TOKENS = Quantities(input_tokens=0, output_tokens=0)


@dataclass(slots=True)
class TextAnswers:
    """The probabilities of each question's options by its number, with the usage of all requests.

    `errors` are the engine's errors of questions that it rejected. `upstreams` are those that
    answered.
    """

    chances: dict[int, tuple[float, ...]] = field(default_factory=dict)
    refusals: dict[int, Refusal] = field(default_factory=dict)
    errors: list[BadRequest] = field(default_factory=list)
    quantities: Quantities = _NO_TOKENS
    upstreams: list[UpstreamTarget] = field(default_factory=list)


class TextAsker:
    """Asks the open questions of one decision."""

    def __init__(
        self,
        sender: DetachedSender,
        call: Call,
        admitted: AdmittedCall,
        calibrations: Mapping[QuestionKind, TypeCalibration],
        report: Callable[[], None],
    ) -> None:
        """`calibrations` are the model's, `report` is called after each response."""
        self._sender = sender
        self._calibrations = calibrations
        self._call = call
        self._admitted = admitted
        self._report = report
        self._answers = TextAnswers()

    async def ask_all(self, plan: DecisionPlan) -> TextAnswers:
        """Ask the questions, a few at a time.

        Raises the upstream's errors, except those that reject a single question. If it rejects all
        questions of a decision, raises the first of these errors.
        """
        await run_all(self._works(plan))
        answers = self._answers
        if answers.errors and len(answers.errors) == len(plan.questions):
            raise answers.errors[0]
        return answers

    def _works(self, plan: DecisionPlan) -> Iterator[Callable[[], Awaitable[None]]]:
        """Yield the work of each open question."""
        for number in plan.open:
            yield partial(self._ask, number, plan.questions[number])

    async def _ask(self, number: int, asked: AskedQuestion) -> None:
        """Ask one question and keep its scores, or why there are none."""
        try:
            self._answers.chances[number] = await self._weigh(asked.typed)
        except NoOptionChosen:
            self._answers.refusals[number] = NO_ANSWER
        except BadRequest as error:
            self._answers.errors.append(error)
            self._answers.refusals[number] = Refusal(error.code or "invalid", error.message)

    async def _weigh(self, question: TypedQuestion) -> tuple[float, ...]:
        """Return the calibrated probabilities of a question's options. Raises NoOptionChosen."""
        decision = self._admitted.request.decision
        if decision is None:
            raise ValueError("The request is no decision.")
        scores = await self._score(decision.prompts.shared, question)
        calibration = self._calibrations.get(question.kind, UNCALIBRATED)
        if not calibration.prior_weight:
            return probabilities(scores, calibration)
        try:
            prior = await self._score(render_input(CONTENT_FREE), question)
        except NoOptionChosen:
            prior = equal_scores(len(question.options))
        return probabilities(scores, calibration, prior)

    async def _score(self, shared: str, question: TypedQuestion) -> Scores:
        """Return the scores of a question's options. Raises NoOptionChosen."""
        groups = [
            await self._score_group(shared, question, group)
            for group in split_into_groups(len(question.options))
        ]
        final: dict[int, float] = {}
        if len(groups) > 1:
            finalists = tuple(best_option(group) for group in groups)
            final = await self._score_group(shared, question, finalists)
        return join_rounds(groups, final)

    async def _score_group(
        self, shared: str, question: TypedQuestion, group: Order
    ) -> dict[int, float]:
        """Return the scores of a group's options from both orders. Raises NoOptionChosen."""
        return average_orders(
            {order: await self._ask_order(shared, question, order) for order in both_orders(group)}
        )

    async def _ask_order(self, shared: str, question: TypedQuestion, order: Order) -> Scores:
        """Send one prompt and return the scores of its options in their order."""
        request = ballot_request(self._admitted.request, shared, question, order)
        result = await self._sender.send(self._call, replace(self._admitted, request=request))
        answers = self._answers
        answers.quantities += result.quantities
        if result.upstream is not None:
            answers.upstreams.append(result.upstream)
        self._report()
        tokens = decode_first_token(result.tail)
        if tokens is None:
            raise UpstreamFailed("The model's response has no log-probabilities.")
        return letter_scores(tokens, len(order))
