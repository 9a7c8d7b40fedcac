"""Which answers are out of limits: results that raise the agent's decision like rules; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.agents.definitions.rounds import Question, QuestionKind, RoundPlan
from gateway.agents.rounds.answers import Place, RoundAnswer
from gateway.agents.rules import RuleResult, RuleStatus


@dataclass(frozen=True, slots=True)
class Classified:
    """The label of a photo and its probability, None if it was not classified."""

    place: Place
    label: str | None = None
    probability: float | None = None


def findings(
    plan: RoundPlan,
    answers: Mapping[Place, RoundAnswer],
    photos: Sequence[Classified],
    language: str,
) -> tuple[RuleResult, ...]:
    """Return a result for each question with limits or alarms.

    A question that could not be answered cannot be evaluated; one that was left out has none.
    """
    found = []
    for number, stop in enumerate(plan.stops):
        for question in stop.questions:
            place = (number, question.id)
            name = f"{stop.asset} · {question.title(language)}"
            labels = [one for one in photos if one.place == place and one.label is not None]
            answer = answers.get(place)
            if answer is not None and answer.value is None:
                found.append(RuleResult(name=name, status=RuleStatus.STALE, tag=stop.asset))
            elif question.kind is QuestionKind.PHOTO:
                found += [_of_photo(name, question, one) for one in labels[:1] if question.alarm]
            elif answer is not None and _has_limits(question):
                found.append(_of_answer(name, question, answer))
    return tuple(found)


def is_out_of_limits(question: Question, value: float | str | None) -> bool:
    """Return whether an answer is beyond a limit, or one that raises an alarm."""
    if isinstance(value, str):
        return value in question.alarm
    if value is None:
        return False
    below = question.low is not None and value < question.low
    return below or (question.high is not None and value > question.high)


def _has_limits(question: Question) -> bool:
    """Return whether an answer can be out of limits."""
    return bool(question.alarm) or question.low is not None or question.high is not None


def _of_answer(name: str, question: Question, answer: RoundAnswer) -> RuleResult:
    """Return the result of an answer."""
    out = is_out_of_limits(question, answer.value)
    value = answer.value if isinstance(answer.value, float) else None
    return RuleResult(
        name=name,
        status=RuleStatus.RAISED if out else RuleStatus.QUIET,
        value=value,
        limit=_limit(question, value),
        unit=question.unit,
        time=answer.answered_at,
        detail=answer.value if isinstance(answer.value, str) else "",
    )


def _limit(question: Question, value: float | None) -> float | None:
    """Return the limit that a number is compared with: the lower one if it is below."""
    if value is None:
        return None
    if question.low is not None and value < question.low:
        return question.low
    return question.high if question.high is not None else question.low


def _of_photo(name: str, question: Question, photo: Classified) -> RuleResult:
    """Return the result of a photo by its label."""
    out = photo.label in question.alarm
    return RuleResult(
        name=name,
        status=RuleStatus.RAISED if out else RuleStatus.QUIET,
        value=photo.probability,
        detail=photo.label or "",
    )
