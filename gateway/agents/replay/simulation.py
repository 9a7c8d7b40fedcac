"""Run an agent's rules over a history tick by tick; pure, with the code that runs in operation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from gateway.agents.assessment import Assessment, assess_without_specialist
from gateway.agents.definitions.values import AgentDefinition, PredictWhen
from gateway.agents.planning import plan_actions
from gateway.agents.replay.history import PointHistory
from gateway.agents.rules import RuleResult, RuleStatus, evaluate_rules
from gateway.agents.state import AgentState
from gateway.agents.warnings.replaying import WarningSeries
from models.policies.maintenance.policy import Action


@dataclass(frozen=True, slots=True)
class Episode:
    """Ticks in a row in which the agent would have recommended something.

    results: of the rules at the first tick. assessment: of the first tick, by rules alone, or by a
    prediction that was made for it.
    """

    start: datetime
    end: datetime
    results: tuple[RuleResult, ...]
    assessment: Assessment


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the rules came to. predictions: ticks in which the specialist would have been called.

    notices, actions: how often recipients would have been told, and actions proposed or taken.
    covered: the share of ticks in which each rule had a recent reading, by name.
    """

    ticks: int
    predictions: int
    notices: int
    actions: int
    episodes: tuple[Episode, ...]
    covered: Mapping[str, float]


def simulate(
    definition: AgentDefinition,
    histories: Mapping[str, PointHistory],
    start: datetime,
    end: datetime,
    warnings: WarningSeries | None = None,
) -> Simulation:
    """Return what the agent would have done from `start` to `end`.

    warnings: what its learned warning rule says, None to replay it without.
    """
    state, ticks, predictions, notices, actions = AgentState(), 0, 0, 0, 0
    episodes: list[Episode] = []
    usable: dict[str, int] = dict.fromkeys((rule.name for rule in definition.rules), 0)
    is_open = False
    for at in _times(start, end, definition.every_s):
        readings = {name: one.newest_at(at) for name, one in histories.items()}
        results = evaluate_rules(definition.rules, readings, state.since, at)
        warning = None if warnings is None else warnings.at(at)
        results = results if warning is None else (*results, warning.result)
        assessment = assess_without_specialist(definition, results, warning)
        plan = plan_actions(definition, assessment, state, at)
        state = msgspec.structs.replace(plan.state, since=_since(results))
        ticks += 1
        predictions += int(_predicts(definition, results))
        notices, actions = notices + int(plan.tells), actions + len(plan.actions)
        for one in results:
            usable[one.name] = usable.get(one.name, 0) + int(one.status in _USABLE)
        if assessment.action is Action.WAIT:
            is_open = False
        elif is_open:
            episodes[-1] = _extended(episodes[-1], at)
        else:
            episodes.append(Episode(at, at, results, assessment))
            is_open = True
    covered = {name: count / ticks if ticks else 0.0 for name, count in usable.items()}
    return Simulation(ticks, predictions, notices, actions, tuple(episodes), covered)


def _times(start: datetime, end: datetime, every_s: float) -> Iterator[datetime]:
    """Return the times of ticks from `start` to before `end`."""
    step, at = timedelta(seconds=every_s), start
    while at < end:
        yield at
        at += step


def _extended(episode: Episode, at: datetime) -> Episode:
    """Return an episode that goes on until a tick."""
    return Episode(episode.start, at, episode.results, episode.assessment)


def _since(results: tuple[RuleResult, ...]) -> dict[str, datetime]:
    """Return since when rules are beyond their limits."""
    return {one.name: one.since for one in results if one.since is not None}


def _predicts(definition: AgentDefinition, results: tuple[RuleResult, ...]) -> bool:
    """Return whether the specialist would have been called in a tick."""
    step = definition.prediction
    if step is None:
        return False
    is_raised = any(one.status is RuleStatus.RAISED for one in results)
    return step.when is PredictWhen.ALWAYS or is_raised


_USABLE = frozenset({RuleStatus.QUIET, RuleStatus.PENDING, RuleStatus.RAISED})
