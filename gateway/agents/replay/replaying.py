"""Replay an agent on a period: rules on stored readings, and predictions as far as they may cost.

    history -> simulation by rules -> predictions for the first ticks of episodes -> outcomes

Rules cost nothing. A prediction is a billed call of the key, for the time of its tick; none is made
unless the request allows a cost.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from gateway.agents.assessment import PredictionUnreadable, assess_prediction
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.errors import AgentReplayInvalid
from gateway.agents.replay.history import read_history
from gateway.agents.replay.outcomes import ReplayOutcomes, compare_with_failures
from gateway.agents.replay.simulation import Episode, Simulation, simulate
from gateway.agents.running.prediction_call import (
    AgentCall,
    Predicted,
    predict,
)
from gateway.agents.warnings.finding import WarningFinding
from gateway.agents.warnings.replaying import read_series, with_warning
from gateway.inference.pipeline_client import PipelineClient
from gateway.tables.agents import Agent
from infra.database.database import Database

USUAL_PERIOD = timedelta(days=30)
MAX_TICKS = 100_000
MAX_PREDICTIONS = 50
MAX_FAILURES = 1_000
_DEFAULT_AHEAD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """The period, the failures that are known in it, and what predictions may cost in all.

    warning: a learned warning rule to replay the agent with, empty for that of its definition;
    warning_version: the version, None for the one in use.
    """

    start: datetime
    end: datetime
    failures: tuple[datetime, ...] = ()
    most_nano: int = 0
    warning: str = ""
    warning_version: int | None = None


@dataclass(frozen=True, slots=True)
class ByLimits:
    """The replay of an agent by its fixed limits alone, to compare a learned warning rule with."""

    warning: WarningFinding
    simulation: Simulation
    outcomes: ReplayOutcomes | None


@dataclass(frozen=True, slots=True)
class Replay:
    """The result. predicted: predictions that were made, their cost, and calls that failed.

    outcomes: None without known failures. by_limits: the same agent without its learned warning
    rule, None without one.
    """

    simulation: Simulation
    outcomes: ReplayOutcomes | None
    predicted: int
    failed: int
    cost_nano: int
    by_limits: ByLimits | None = None


class AgentReplayer:
    """Replays agents: with a client also predictions, without one by rules alone."""

    def __init__(self, database: Database, client: PipelineClient | None) -> None:
        self._database = database
        self._client = client

    async def replay(
        self, agent: Agent, definition: AgentDefinition, key_id: UUID, request: ReplayRequest
    ) -> Replay:
        """Return what an agent would have done.

        Raises AgentReplayInvalid, ReadingsRangeTooLarge, LearnedWarningNotFound.
        """
        _check(definition, request)
        async with self._database.transaction() as session:
            definition = await with_warning(session, agent.account_id, definition, request.warning)
            histories = await read_history(
                session, agent.account_id, agent.asset_id, definition.rules, request.start,
                request.end,
            )  # fmt: skip
            warnings = await read_series(
                session, agent, definition, request.start, request.end, request.warning_version
            )
        period = (request.start, request.end)
        simulation = await asyncio.to_thread(simulate, definition, histories, *period, warnings)
        by_limits = None
        if warnings is not None:
            alone = await asyncio.to_thread(simulate, definition, histories, *period)
            outcomes = _outcomes(definition, request, alone.episodes)
            by_limits = ByLimits(warnings.base, alone, outcomes)
        calls = _Predictions(self._client, agent, definition, key_id, request.most_nano)
        episodes = tuple([await calls.assess(one) for one in simulation.episodes])
        simulation = replace(simulation, episodes=episodes)
        return Replay(
            simulation,
            _outcomes(definition, request, episodes),
            calls.made,
            calls.failed,
            calls.spent_nano,
            by_limits,
        )


class _Predictions:
    """Predictions for the first ticks of episodes, as long as the money lasts."""

    def __init__(
        self,
        client: PipelineClient | None,
        agent: Agent,
        definition: AgentDefinition,
        key_id: UUID,
        most_nano: int,
    ) -> None:
        self._client = client
        self._agent = agent
        self._definition = definition
        self._key_id = key_id
        self._most_nano = most_nano
        self.made = self.failed = self.spent_nano = 0

    async def assess(self, episode: Episode) -> Episode:
        """Return an episode with the decision by prediction, or unchanged."""
        step, left = self._definition.prediction, self._most_nano - self.spent_nano
        if self._client is None or step is None or left <= 0 or self.made >= MAX_PREDICTIONS:
            return episode
        call = AgentCall(self._agent.account_id, self._key_id, self._agent.id, "replay")
        found = await predict(self._client, call, step, self._definition.asset, episode.start, left)
        if not isinstance(found, Predicted):
            self.failed += 1
            return episode
        self.made, self.spent_nano = self.made + 1, self.spent_nano + found.cost_nano
        try:
            decided = assess_prediction(self._definition, step, episode.results, found.prediction)
        except PredictionUnreadable:
            self.failed += 1
            return episode
        return replace(episode, assessment=decided)


def _check(definition: AgentDefinition, request: ReplayRequest) -> None:
    """Raise AgentReplayInvalid for a period without time, or with too many ticks."""
    if request.start >= request.end:
        raise AgentReplayInvalid("`from` must be before `to`.", param="from")
    ticks = (request.end - request.start) / timedelta(seconds=definition.every_s)
    if ticks > MAX_TICKS:
        raise AgentReplayInvalid(
            f"The period has {ticks:,.0f} ticks; at most {MAX_TICKS:,} are replayed.", param="from"
        )
    if len(request.failures) > MAX_FAILURES:
        raise AgentReplayInvalid(f"At most {MAX_FAILURES} failures are compared.", param="failures")


def _outcomes(
    definition: AgentDefinition, request: ReplayRequest, episodes: Sequence[Episode]
) -> ReplayOutcomes | None:
    """Return the comparison with known failures in the period."""
    inside = [one for one in request.failures if request.start <= one <= request.end]
    if not inside:
        return None
    step = definition.outlook_step
    ahead = _DEFAULT_AHEAD if step is None else timedelta(seconds=step.period_s * step.horizon)
    return compare_with_failures(
        episodes, inside, definition.costs, ahead, request.end - request.start
    )
