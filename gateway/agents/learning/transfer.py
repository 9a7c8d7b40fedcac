"""Transfer an agent to another asset: what carries over, and what must be learned again.

Both are computed from the plant model, the readings of the last 30 days, and the known outcomes of
the agent. The new agent is paused, and nothing of the old one changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.definitions.values import AgentDefinition, Rule
from gateway.agents.learning.errors import AgentTransferInvalid
from gateway.agents.learning.features import PROBABILITY, RULE, excess
from gateway.agents.learning.history import count_known, load_history
from gateway.agents.learning.lifecycle import PolicyEditor
from gateway.agents.learning.policy_rows import (
    binding_of,
    list_policies,
    usable_policy,
    with_status,
)
from gateway.agents.learning.steps import TRANSFERRED, record_step
from gateway.agents.replay.history import PointHistory, read_history
from gateway.agents.running.observing import find_watched_points, point_of
from gateway.agents.store.agents import AgentChange, read_definition
from gateway.plant.assets.values import MappingStatus
from gateway.plant.readings.errors import ReadingsRangeTooLarge
from gateway.plant.store.queries import find_asset
from gateway.tables.agents import Agent
from gateway.tables.agents_learning import AgentPolicy, PolicyStatus
from gateway.tables.plant import PlantAsset
from infra.secrets.signing_key import SigningKey
from models.policies.learned.policy import LearnedPolicy
from models.policies.learned.policy_file import write_policy
from models.units import unit_conversion

_LOOKED_AT = timedelta(days=30)
# The share of the new asset's values that must lie in the range that a policy has seen.
MIN_OVERLAP = 0.5
_FEW = 20


class TransferItem(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an agent with its figures.

    kind: costs, rule, limit, feature, calibration or policy. reason: why it must be learned again;
    empty for what carries over.
    """

    kind: str
    name: str = ""
    reason: str = ""
    figures: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """The definition for the other asset, and what carries over. policy: one whose features fit."""

    definition: AgentDefinition
    asset: PlantAsset
    carried: tuple[TransferItem, ...]
    relearned: tuple[TransferItem, ...]
    policy: LearnedPolicy | None


async def plan_transfer(change: AgentChange, agent: Agent, asset: str, name: str) -> TransferPlan:
    """Compute what of an agent fits another asset.

    Raises PlantNodeNotFound, AgentTransferInvalid if neither a rule nor a specialist would be left.
    """
    session, definition = change.session, read_definition(agent.definition)
    target = await find_asset(session, agent.account_id, asset)
    if target.id == agent.asset_id:
        raise AgentTransferInvalid("The agent watches this asset already.", param="asset")
    fitted, unfit = await _fit_rules(session, agent, definition, target)
    moved = msgspec.structs.replace(
        definition, name=name or f"{definition.name} · {target.code}"[:120], asset=target.code,
        rules=tuple(fitted), warning=None,
    )  # fmt: skip
    if not moved.rules and moved.prediction is None:
        raise AgentTransferInvalid(
            "No rule fits a point of the asset, and the agent asks no specialist. Confirm the "
            "concepts of its points first.",
            param="asset",
        )
    histories = await _read(change, agent, target, moved.rules)
    limits = [_limit_item(rule, histories.get(rule.name)) for rule in moved.rules]
    policy = await _policy(session, agent, definition)
    features = [] if policy is None else _features(policy, moved, histories)
    is_policy_fit = bool(features) and not any(one.reason for one in features)
    items = [
        TransferItem(kind="costs", figures=asdict(definition.costs)),
        *(TransferItem(kind="rule", name=one.name, figures={"concept": one.concept,
          "unit": one.unit}) for one in moved.rules),
        *unfit, *limits, *features,
        *(await _calibration(session, agent, definition)),
    ]  # fmt: skip
    if policy is not None:
        reason = "" if is_policy_fit else "features_do_not_overlap"
        items.append(TransferItem(kind="policy", reason=reason))
    return TransferPlan(
        moved,
        target,
        tuple(one for one in items if not one.reason),
        tuple(one for one in items if one.reason),
        policy if is_policy_fit else None,
    )


async def carry_policy(
    change: AgentChange, signing: SigningKey, agent: Agent, plan: TransferPlan
) -> AgentPolicy | None:
    """Give the new agent the policy that fits, to decide in shadow; None if none fits."""
    definition = read_definition(agent.definition)
    if plan.policy is None or not definition.learning.enabled:
        return None
    content = write_policy(plan.policy, binding_of(agent, definition))
    row = await PolicyEditor(change, signing, agent).add(content, {"transferred": True})
    await record_step(change, agent, row, TRANSFERRED, {"sha256": row.sha256})
    return row


def plan_json(plan: TransferPlan) -> dict[str, Any]:
    """Return what carries over and what must be learned again."""
    return {
        "carried": msgspec.to_builtins(plan.carried),
        "relearned": msgspec.to_builtins(plan.relearned),
    }


async def _fit_rules(
    session: AsyncSession, agent: Agent, definition: AgentDefinition, target: PlantAsset
) -> tuple[list[Rule], list[TransferItem]]:
    """Return the rules by concept that fit the other asset, and those that do not, with reasons."""
    by_concept = await _with_concepts(session, agent, definition.rules)
    rows = await find_watched_points(
        session, agent.account_id, [target.id], [one for one in by_concept if one.concept]
    )
    fitted, unfit = [], []
    for rule in by_concept:
        point = point_of(rule, rows.get(target.id, ())) if rule.concept else None
        reason = "no_concept" if not rule.concept else "no_point"
        if point is not None:
            reason = "" if _converts(rule.unit, point.unit) else "unit_of_another_quantity"
        if reason:
            figures = {"concept": rule.concept, "tag": rule.tag}
            unfit.append(TransferItem(kind="rule", name=rule.name, reason=reason, figures=figures))
        else:
            fitted.append(rule)
    return fitted, unfit


async def _with_concepts(session: AsyncSession, agent: Agent, rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules by concept: of a rule by tag, the confirmed concept of its point."""
    rows = (await find_watched_points(session, agent.account_id, [agent.asset_id], rules)).get(
        agent.asset_id, ()
    )
    found = []
    for rule in rules:
        point = point_of(rule, rows)
        is_known = point is not None and point.mapping_status == MappingStatus.CONFIRMED
        if rule.tag and point is not None and is_known:
            concept = point.concept_id.rpartition("#")[2]
            unit = rule.unit or point.unit or ""
            rule = msgspec.structs.replace(rule, tag="", concept=concept, unit=unit)
        found.append(rule)
    return found


def _converts(unit: str, target: str | None) -> bool:
    """Return whether a limit can be converted to the unit of a point."""
    if not unit or unit == (target or ""):
        return True
    try:
        unit_conversion(unit, target or "")
    except ValueError:
        return False
    return True


async def _read(
    change: AgentChange, agent: Agent, target: PlantAsset, rules: Sequence[Rule]
) -> Mapping[str, PointHistory]:
    """Return the readings of the other asset in the last 30 days, by rule."""
    now = change.clock.now()
    try:
        return await read_history(
            change.session, agent.account_id, target.id, rules, now - _LOOKED_AT, now
        )
    except ReadingsRangeTooLarge:
        return {}


def _excesses(rule: Rule, history: PointHistory | None) -> np.ndarray:
    """Return the values of a rule's feature on the readings of a point."""
    if history is None or not len(history.values):
        return np.empty(0)
    limit = rule.limit
    if rule.unit and rule.unit != history.unit:
        limit = float(unit_conversion(rule.unit, history.unit)(np.array([rule.limit]))[0])
    return np.array([excess(float(one), limit, rule.comparison) for one in history.values])


def _limit_item(rule: Rule, history: PointHistory | None) -> TransferItem:
    """Return how a limit fits the readings of the other asset: it must be checked per machine."""
    values = _excesses(rule, history)
    figures: dict[str, Any] = {"limit": rule.limit, "unit": rule.unit, "readings": len(values)}
    if len(values):
        figures["share_beyond"] = round(float((values > 0).mean()), 4)
        figures["p99_of_limit"] = round(1.0 + float(np.quantile(values, 0.99)), 4)
    reason = "limit_of_another_machine" if len(values) >= _FEW else "no_readings"
    return TransferItem(kind="limit", name=rule.name, reason=reason, figures=figures)


def _features(
    policy: LearnedPolicy, moved: AgentDefinition, histories: Mapping[str, PointHistory]
) -> list[TransferItem]:
    """Return for each feature of a policy how much of the other asset's values it has seen."""
    rules = {f"{RULE}{one.name}": one for one in moved.rules}
    found = []
    for number, name in enumerate(policy.features):
        if name == PROBABILITY:
            found.append(TransferItem(kind="feature", name=name))
            continue
        rule = rules.get(name)
        values = np.empty(0) if rule is None else _excesses(rule, histories.get(rule.name))
        low, high = float(policy.lows[number]), float(policy.highs[number])
        overlap = float(((values >= low) & (values <= high)).mean()) if len(values) else 0.0
        reason = "" if overlap >= MIN_OVERLAP else "range_not_seen"
        if not len(values):
            reason = "no_point" if rule is None else "no_readings"
        figures = {"low": low, "high": high, "overlap": round(overlap, 4)}
        found.append(TransferItem(kind="feature", name=name, reason=reason, figures=figures))
    return found


async def _policy(
    session: AsyncSession, agent: Agent, definition: AgentDefinition
) -> LearnedPolicy | None:
    """Return the policy in use of the old agent."""
    policies = await list_policies(session, agent.account_id, agent.id)
    row = with_status(policies, PolicyStatus.ACTIVE)
    usable = None if row is None else usable_policy(row, binding_of(agent, definition))
    return None if usable is None else usable.policy


async def _calibration(
    session: AsyncSession, agent: Agent, definition: AgentDefinition
) -> list[TransferItem]:
    """Return the calibration of the specialist on the old asset, which the other must learn."""
    if definition.warning is not None:
        # A learned warning is of one asset: the other one needs a training of its own.
        rule = definition.warning.rule
        return [TransferItem(kind="calibration", name=rule, reason="no_outcomes_yet",
                             figures={"outcomes": 0})]  # fmt: skip
    if definition.prediction is None:
        return []
    history = await load_history(session, agent, definition, await count_known(session, agent))
    figures: dict[str, Any] = {"outcomes": history.known_count}
    if history.rows:
        stated = [one.features[PROBABILITY] for one in history.rows]
        figures["stated"] = round(float(np.mean(stated)), 4)
        figures["observed"] = round(float(np.mean([bool(one.fault) for one in history.rows])), 4)
    name = definition.prediction.model
    return [TransferItem(kind="calibration", name=name, reason="no_outcomes_yet", figures=figures)]
