"""What of a definition does not fit the account's plant, models and key: warnings for its owner.

An agent may be created before its points are: none of this is refused.
"""

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import ApiKey
from gateway.access.key_permissions import KeyPermission
from gateway.agents.definitions.values import AgentDefinition, PredictionStep, Rule
from gateway.agents.rules import NewestReading, RuleStatus, evaluate_rules
from gateway.agents.running.observing import observe
from gateway.registry.variants import list_live_variants, parse_pinned_id
from gateway.tables.agents import Agent
from infra.clock import Clock
from models.catalog import Catalog

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
        found.append(await _of_model(session, catalog, row, definition.prediction))
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


async def _of_model(
    session: AsyncSession, catalog: Catalog, row: Agent, step: PredictionStep
) -> AgentWarning | None:
    """Return the warning of a model that is not known, or not for the key that pays."""
    variants = await list_live_variants(session, row.account_id)
    pinned = parse_pinned_id(step.model, variants)
    variant = variants.get(step.model if pinned is None else pinned[0])
    base = catalog.find(step.model if variant is None else variant.base_model_id)
    if base is None:
        message = f"The model {step.model!r} does not exist."
        return AgentWarning("model_not_found", "prediction.model", message)
    key = await session.get_one(ApiKey, row.key_id)
    if key.models is not None and base.id not in key.models:
        message = f"The API key that pays may not call the model {step.model!r}."
        return AgentWarning("model_not_allowed", "prediction.model", message)
    lacking = [one for one in _NEEDED if key.permissions is not None and one not in key.permissions]
    if lacking:
        message = f"The API key that pays lacks the permission `{lacking[0]}`."
        return AgentWarning("api_key_permission", "key", message)
    return None
