"""Learned warning rules in ticks: the versions in use, their readings, and what they say."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.definitions.warning import WarningStep
from gateway.agents.learned_files import asset_binding, file_hash
from gateway.agents.warnings.finding import (
    DAMAGED,
    FOREIGN,
    NO_POINT,
    NO_RULE,
    NO_VERSION,
    OTHER_HORIZON,
    STALE,
    WarningFinding,
    finding_of,
)
from gateway.agents.warnings.history import MAX_GAP, Grid
from gateway.agents.warnings.loading import find_point_rows, read_grid
from gateway.agents.warnings.rows import RULE, public_id, settings_of
from gateway.agents.warnings.settings import WarningSettings
from gateway.tables.agents import Agent
from gateway.tables.agents_warnings import (
    LearnedWarning,
    LearnedWarningVersion,
    WarningVersionStatus,
)
from infra import ids
from infra.database.database import Database
from models.policies.warnings.history import HistoryInvalid
from models.policies.warnings.rule import WINDOW, WarningRule
from models.policies.warnings.rule_file import read_rule

_MAX_CACHED = 200
_HORIZON_TOLERANCE_S = 1.0


@dataclass(frozen=True, slots=True)
class RuleInUse:
    """A rule with the version that agents use: the one in use, or one that is replayed."""

    row: LearnedWarning
    version: LearnedWarningVersion | None

    @property
    def finding(self) -> WarningFinding:
        """What is known of the rule before it is asked."""
        number = 0 if self.version is None else self.version.version
        return WarningFinding(rule=public_id(self.row), name=self.row.name, version=number)


class RuleCache:
    """Rules that were read from their files, the most recently used ones, by hash of the file."""

    def __init__(self) -> None:
        self._rules: OrderedDict[tuple[str, str], WarningRule] = OrderedDict()

    def open(self, used: RuleInUse) -> WarningRule:
        """Return the rule of a version. Raises HistoryInvalid for a changed or foreign file."""
        version, bound_to = used.version, asset_binding(used.row.account_id, used.row.asset_id)
        content = b"" if version is None else version.file or b""
        if version is None or not content or file_hash(content) != version.sha256:
            raise HistoryInvalid("The file is not the one that was trained: its hash differs.")
        key = (version.sha256, bound_to)
        if key not in self._rules:
            self._rules[key] = read_rule(content, bound_to)
            if len(self._rules) > _MAX_CACHED:
                self._rules.popitem(last=False)
        self._rules.move_to_end(key)
        return self._rules[key]


class WarningSignals:
    """Evaluates the learned warning rules of agents that name one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache = RuleCache()

    async def find(
        self, defined: Sequence[tuple[Agent, AgentDefinition]], at: datetime
    ) -> Mapping[UUID, WarningFinding]:
        """Return what the rules of agents of one account say, by agent; others are missing."""
        named = [(agent, one.warning) for agent, one in defined if one.warning is not None]
        if not named:
            return {}
        found = {}
        async with self._database.transaction() as session:
            rules = await load_rules(session, named[0][0].account_id, [one for _, one in named])
            for agent, step in named:
                used = rules.get(step.rule)
                grid = await _read_window(session, agent, used, at)
                found[agent.id] = (step, used, grid)
        return {
            agent_id: await asyncio.to_thread(self._finding, *one)
            for agent_id, one in found.items()
        }

    def _finding(
        self, step: WarningStep, used: RuleInUse | None, grid: Grid | None
    ) -> WarningFinding:
        """Return what a rule says of a grid."""
        if used is None:
            return WarningFinding(rule="", name=step.rule, problem=NO_RULE)
        problem = problem_of(step, used)
        if problem or grid is None:
            return _with_problem(used.finding, problem or FOREIGN)
        values = grid.filled()
        if not len(values) or not np.isfinite(values).any(axis=0).all():
            return _with_problem(used.finding, NO_POINT if not len(values) else STALE)
        if not is_fresh(step, settings_of(used.row), grid):
            return _with_problem(used.finding, STALE)
        try:
            rule = self._cache.open(used)
            complete = values[np.isfinite(values).all(axis=1)]
            signal = rule.signal(complete)
        except HistoryInvalid:
            return _with_problem(used.finding, DAMAGED)
        return finding_of(used.finding, signal, rule.threshold_probability)


def problem_of(step: WarningStep, used: RuleInUse) -> str:
    """Return why a rule says nothing to an agent, empty if it may."""
    settings = settings_of(used.row)
    if used.version is None:
        return NO_VERSION
    differs = abs(settings.horizon_s - step.period_s * step.horizon) > _HORIZON_TOLERANCE_S
    return OTHER_HORIZON if differs else ""


def is_fresh(step: WarningStep, settings: WarningSettings, grid: Grid) -> bool:
    """Return whether the last tick of a grid has a recent reading of every point."""
    most = step.stale_s + settings.every_s
    back = max(1, int(most // settings.every_s))
    return bool(np.isfinite(grid.values[-min(back, MAX_GAP) :]).any(axis=0).all())


async def load_rules(
    session: AsyncSession, account_id: UUID, steps: Sequence[WarningStep]
) -> Mapping[str, RuleInUse]:
    """Return rules with their versions in use, by the name or id that steps state."""
    names = {step.rule for step in steps}
    stated = {name: ids.parse_id(RULE, name) for name in names}
    known = [one for one in stated.values() if one is not None]
    query = (
        select(LearnedWarning, LearnedWarningVersion)
        .outerjoin(
            LearnedWarningVersion,
            (col(LearnedWarningVersion.warning_id) == LearnedWarning.id)
            & (col(LearnedWarningVersion.status) == WarningVersionStatus.ACTIVE.value),
        )
        .where(
            col(LearnedWarning.account_id) == account_id,
            col(LearnedWarning.deleted_at).is_(None),
            col(LearnedWarning.name).in_(names) | col(LearnedWarning.id).in_(known),
        )
    )
    rows = [RuleInUse(row, version) for row, version in (await session.execute(query)).all()]
    by_id = {one.row.id: one for one in rows}
    by_name = {one.row.name: one for one in rows}
    found = {}
    for name, rule_id in stated.items():
        one = by_name.get(name) or (None if rule_id is None else by_id.get(rule_id))
        if one is not None:
            found[name] = one
    return found


async def _read_window(
    session: AsyncSession, agent: Agent, used: RuleInUse | None, at: datetime
) -> Grid | None:
    """Return the newest whole ticks of a rule's points; None for a rule of another asset."""
    if used is None or used.version is None or used.row.asset_id != agent.asset_id:
        return None
    settings = settings_of(used.row)
    points = await find_point_rows(session, agent.account_id, agent.asset_id, settings.points)
    if any(tag not in points for tag in settings.points):
        return Grid(np.zeros(0, np.int64), np.zeros((0, len(settings.points))))
    start = at - timedelta(seconds=settings.every_s * (WINDOW + MAX_GAP))
    return await read_grid(session, agent.account_id, points, settings, start, at)


def _with_problem(base: WarningFinding, problem: str) -> WarningFinding:
    """Return a finding that says nothing, with the reason."""
    return WarningFinding(rule=base.rule, name=base.name, version=base.version, problem=problem)
