"""What of a definition does not fit the account's plant, models and key: warnings for its owner.

An agent may be created before its points are: none of this is refused.
"""

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import ApiKey
from gateway.access.key_permissions import KeyPermission
from gateway.agents.definitions.rounds import RoundPlan
from gateway.agents.definitions.values import AgentDefinition, Rule
from gateway.agents.definitions.warning import WarningStep
from gateway.agents.rules import NewestReading, RuleStatus, evaluate_rules
from gateway.agents.running.observing import observe
from gateway.agents.scheduling.point_warnings import find_point_warnings
from gateway.agents.warnings.finding import FOREIGN, NO_RULE
from gateway.agents.warnings.signals import load_rules, problem_of
from gateway.registry.variants import list_live_variants, parse_pinned_id
from gateway.tables.agents import Agent
from gateway.tables.plant import PlantAsset, PlantPoint
from infra.clock import Clock
from models.catalog import AUTO, Catalog

_NEEDED = (KeyPermission.CALLS, KeyPermission.PLANT_READ)


class AgentWarning(msgspec.Struct, frozen=True):
    """A part of the definition that has no effect now. param: the field that it concerns."""

    code: str
    param: str
    message: str


async def find_warnings(
    session: AsyncSession, clock: Clock, catalog: Catalog, row: Agent, definition: AgentDefinition
) -> list[AgentWarning]:
    """Return what of an agent's definition has no effect with the plant, models and key of now."""
    (readings,) = await observe(session, row.account_id, [(row.asset_id, definition)])
    results = evaluate_rules(definition.rules, readings, {}, clock.now())
    found = [
        _of_rule(index, rule, readings.get(rule.name), result.status)
        for index, (rule, result) in enumerate(zip(definition.rules, results, strict=True))
    ]
    if definition.prediction is not None:
        found.append(await _of_model(session, catalog, row, definition.prediction.model))
    if definition.schedule is not None:
        for code, message in await find_point_warnings(
            session, row.account_id, row.asset_id, definition.schedule
        ):
            found.append(AgentWarning(code, "schedule", message))
    for index, tool in enumerate(definition.toolset.tools):
        if tool.model and tool.model != AUTO:
            at = f"tools[{index}].model"
            found.append(await _of_model(session, catalog, row, tool.model, at))
    found.append(await _of_learned_warning(session, row, definition.warning))
    found += await _of_route(session, row, definition.round)
    return [one for one in found if one is not None]


def warnings_json(warnings: list[AgentWarning]) -> list[dict[str, Any]]:
    """Return warnings as the API and the CLI show them."""
    found: list[dict[str, Any]] = msgspec.to_builtins(warnings)
    return found


def _of_rule(
    index: int, rule: Rule, reading: NewestReading | None, status: RuleStatus
) -> AgentWarning | None:
    """Return the warning of a rule without a point, or with a unit of another quantity."""
    name = f"The rule {rule.name!r}"
    if reading is None:
        wanted = f"the tag {rule.tag!r}" if rule.tag else f"the confirmed concept {rule.concept!r}"
        message = f"{name} fits no point of the asset: none has {wanted}."
        return AgentWarning("rule_without_point", f"rules[{index}]", message)
    if status is RuleStatus.UNIT:
        message = f"{name} has the unit {rule.unit!r}, its point {reading.tag!r} {reading.unit!r}."
        return AgentWarning("rule_unit_not_convertible", f"rules[{index}].unit", message)
    if reading.value is None:
        message = f"{name} fits the point {reading.tag!r}, which has no usable reading yet."
        return AgentWarning("rule_without_readings", f"rules[{index}]", message)
    return None


async def _of_learned_warning(
    session: AsyncSession, row: Agent, step: WarningStep | None
) -> AgentWarning | None:
    """Return the warning of a learned warning rule that says nothing to the agent."""
    if step is None:
        return None
    used = (await load_rules(session, row.account_id, [step])).get(step.rule)
    problem = NO_RULE if used is None else problem_of(step, used)
    if used is not None and used.row.asset_id != row.asset_id:
        problem = FOREIGN
    if not problem:
        return None
    message = f"The learned warning rule {step.rule!r} says nothing yet: {problem}."
    return AgentWarning("learned_warning_unusable", "warning.rule", message)


async def _of_route(
    session: AsyncSession, row: Agent, plan: RoundPlan | None
) -> list[AgentWarning]:
    """Return the warnings of stops whose asset, and of questions whose point, does not exist."""
    if plan is None:
        return []
    codes = select(PlantAsset.code).where(
        col(PlantAsset.account_id) == row.account_id,
        col(PlantAsset.retired_at).is_(None),
        col(PlantAsset.code).in_({stop.asset for stop in plan.stops}),
    )
    assets = set((await session.scalars(codes)).all())
    tags = select(PlantPoint.tag).where(
        col(PlantPoint.account_id) == row.account_id,
        col(PlantPoint.retired_at).is_(None),
        col(PlantPoint.tag).in_({one.point for stop in plan.stops for one in stop.questions}),
    )
    points = set((await session.scalars(tags)).all())
    found = []
    for number, stop in enumerate(plan.stops):
        at = f"round.stops[{number}]"
        if stop.asset not in assets:
            message = f"The account has no asset {stop.asset[:60]!r}."
            found.append(AgentWarning("round_asset_not_found", f"{at}.asset", message))
        found += [
            AgentWarning(
                "round_point_not_found",
                f"{at}.questions[{index}].point",
                f"The account has no point {one.point[:60]!r}: its numbers become no readings.",
            )
            for index, one in enumerate(stop.questions)
            if one.point and one.point not in points
        ]
    return found


async def _of_model(
    session: AsyncSession, catalog: Catalog, row: Agent, model: str, at: str = "prediction.model"
) -> AgentWarning | None:
    """Return the warning of a model that is not known, or not for the key that pays."""
    variants = await list_live_variants(session, row.account_id)
    pinned = parse_pinned_id(model, variants)
    variant = variants.get(model if pinned is None else pinned[0])
    base = catalog.find(model if variant is None else variant.base_model_id)
    if base is None:
        message = f"The model {model!r} does not exist."
        return AgentWarning("model_not_found", at, message)
    key = await session.get_one(ApiKey, row.key_id)
    if key.models is not None and base.id not in key.models:
        message = f"The API key that pays may not call the model {model!r}."
        return AgentWarning("model_not_allowed", at, message)
    lacking = [one for one in _NEEDED if key.permissions is not None and one not in key.permissions]
    if lacking:
        message = f"The API key that pays lacks the permission `{lacking[0]}`."
        return AgentWarning("api_key_permission", "key", message)
    return None
