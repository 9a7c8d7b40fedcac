"""A learned warning rule over a period of stored readings, for replays of an agent."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.definitions.warning import WarningStep
from gateway.agents.warnings.errors import LearnedWarningNotReady
from gateway.agents.warnings.finding import DAMAGED, FOREIGN, STALE, WarningFinding
from gateway.agents.warnings.history import MAX_GAP, Grid
from gateway.agents.warnings.loading import find_point_rows, read_grid
from gateway.agents.warnings.rows import find_rule, find_version, settings_of
from gateway.agents.warnings.settings import step_of
from gateway.agents.warnings.signals import RuleCache, RuleInUse, load_rules, problem_of
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.values import SECOND_US
from gateway.tables.agents import Agent
from models.policies.warnings.history import HistoryInvalid
from models.policies.warnings.rule import WINDOW


@dataclass(frozen=True, slots=True)
class WarningSeries:
    """What a rule says at the end of each tick of its grid, in order.

    ends: in microseconds. probabilities: NaN where the rule says nothing.
    """

    base: WarningFinding
    threshold: float
    ends: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    warns: NDArray[np.bool_]
    stale_us: int

    def at(self, time: datetime) -> WarningFinding:
        """Return what the rule says at a time, by the last whole tick before it."""
        now = from_datetime(time)
        index = int(np.searchsorted(self.ends, now, side="right")) - 1
        if self.base.problem:
            return self.base
        if index < 0 or now - self.ends[index] > self.stale_us:
            return msgspec.structs.replace(self.base, problem=STALE)
        if not np.isfinite(self.probabilities[index]):
            return msgspec.structs.replace(self.base, problem=STALE)
        return msgspec.structs.replace(
            self.base,
            probability=round(float(self.probabilities[index]), 6),
            threshold=round(self.threshold, 6),
            warns=bool(self.warns[index]),
        )


async def with_warning(
    session: AsyncSession, account_id: UUID, definition: AgentDefinition, rule: str
) -> AgentDefinition:
    """Return a definition that uses a rule; its own where none is stated.

    Raises LearnedWarningNotFound.
    """
    if not rule:
        return definition
    settings = settings_of(await find_rule(session, account_id, rule))
    return msgspec.structs.replace(definition, warning=step_of(rule, settings))


async def read_series(
    session: AsyncSession,
    agent: Agent,
    definition: AgentDefinition,
    start: datetime,
    end: datetime,
    version: int | None = None,
) -> WarningSeries | None:
    """Return what the agent's rule would have said in a period; None without a rule.

    version: to replay, None for the one in use. Raises LearnedWarningNotFound if it does not exist,
    LearnedWarningNotReady if it was not trained, and ReadingsRangeTooLarge.
    """
    step = definition.warning
    if step is None:
        return None
    used = await _used(session, agent.account_id, step, version)
    problem = problem_of(step, used)
    if used.row.asset_id != agent.asset_id:
        problem = FOREIGN
    if problem:
        return _silent(used, problem)
    settings = settings_of(used.row)
    points = await find_point_rows(session, agent.account_id, agent.asset_id, settings.points)
    begins = start - timedelta(seconds=settings.every_s * (WINDOW + MAX_GAP))
    grid = await read_grid(session, agent.account_id, points, settings, begins, end)
    return await asyncio.to_thread(_series, step, used, grid)


async def _used(
    session: AsyncSession, account_id: UUID, step: WarningStep, version: int | None
) -> RuleInUse:
    """Return the rule with the version to replay."""
    row = await find_rule(session, account_id, step.rule)
    if version is None:
        found = await load_rules(session, account_id, [step])
        return found.get(step.rule, RuleInUse(row, None))
    stored = await find_version(session, row, version)
    if stored.file is None:
        raise LearnedWarningNotReady(f"Version {version} of the warning rule is not trained.")
    return RuleInUse(row, stored)


def _series(step: WarningStep, used: RuleInUse, grid: Grid) -> WarningSeries:
    """Return what a rule says of each tick of a grid."""
    settings = settings_of(used.row)
    values = grid.filled()
    known = np.isfinite(values).all(axis=1)
    probabilities, warns = np.full(len(values), np.nan), np.zeros(len(values), dtype=bool)
    try:
        rule = RuleCache().open(used)
        if known.any():
            probabilities[known], warns[known] = rule.series(values[known])
    except HistoryInvalid:
        return _silent(used, DAMAGED)
    tick_us = round(settings.every_s * SECOND_US)
    return WarningSeries(
        used.finding,
        rule.threshold_probability,
        grid.starts + tick_us,
        probabilities,
        warns,
        tick_us + round(step.stale_s * SECOND_US),
    )


def _silent(used: RuleInUse, problem: str) -> WarningSeries:
    """Return a series that says nothing, with the reason."""
    base = msgspec.structs.replace(used.finding, problem=problem)
    nothing = np.zeros(0)
    return WarningSeries(base, 0.0, nothing.astype(np.int64), nothing, nothing.astype(bool), 0)
