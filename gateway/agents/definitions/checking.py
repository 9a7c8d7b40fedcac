"""From a document to a definition: units, durations, amounts and limits are checked.

Whether asset, points and model exist is checked where the database is (gateway/agents/store).
"""

from decimal import Decimal, InvalidOperation
from math import isfinite

import msgspec

from billing.outcomes.contracts.prediction_rules import is_event_kind
from gateway.agents.definitions.board import board_problem, needs_rules, read_board
from gateway.agents.definitions.command_steps import check_commands
from gateway.agents.definitions.document import (
    AgentDocument,
    BudgetDocument,
    PredictionDocument,
    RuleDocument,
)
from gateway.agents.definitions.durations import DurationInvalid, parse_duration
from gateway.agents.definitions.learning import check_learning
from gateway.agents.definitions.orders import check_orders
from gateway.agents.definitions.recipients import check_recipients
from gateway.agents.definitions.rounds import check_round
from gateway.agents.definitions.schedule import check_schedule
from gateway.agents.definitions.tools import check_toolset
from gateway.agents.definitions.values import (
    ActionKind,
    AgentDefinition,
    Autonomy,
    Budget,
    PredictionStep,
    Rule,
)
from gateway.agents.definitions.warning import check_warning
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.plant.assets.units import canonical_unit
from models.policies.maintenance.costs import (
    MAX_PERIODS,
    MaintenanceCosts,
    MaintenanceCostsInvalid,
)

MAX_NAME, MAX_RULES = 120, 50
MIN_EVERY_S, MAX_EVERY_S = 10.0, 31 * 86_400.0
_NANO = Decimal(10**9)
_MAX_NANO = 10**18
# Larger numbers would become infinite when units are converted or costs are added.
_MAX_LIMIT, _MAX_COST = 1e15, 1e15
_MAX_DEPTH = 20
# Of an agent that decides about pumps, which stops no machine.
NO_COSTS = MaintenanceCosts(planned_stop=0.0, unplanned_stop=1.0, inspection=0.0)


def check(document: AgentDocument) -> AgentDefinition:
    """Return the definition of a document. Raises AgentDefinitionInvalid."""
    _require(0 < len(document.name.strip()) <= MAX_NAME, "name", f"has 1 to {MAX_NAME} characters.")
    _require(bool(document.asset.strip()), "asset", "is missing.")
    sections = (document.prediction, document.schedule, document.round, document.orders,
                document.warning)  # fmt: skip
    watches = bool(document.rules) or any(sections) or not needs_rules(document.board)
    _require(watches, "rules", "or `prediction` is needed.")
    _check_decision(document)
    _require(len(document.rules) <= MAX_RULES, "rules", f"has at most {MAX_RULES} entries.")
    names = {rule.name.strip() for rule in document.rules}
    _require(len(names) == len(document.rules), "rules", "need different names.")
    every_s = _seconds(document.every, "every")
    _require(MIN_EVERY_S <= every_s <= MAX_EVERY_S, "every", "must be from `10s` to `31d`.")
    is_acting = document.autonomy in (Autonomy.APPROVE, Autonomy.ACT)
    _require(not is_acting or bool(document.actions), "actions", "must name what the agent may do.")
    predicts = document.prediction is not None
    problem = board_problem(document.board, autonomy=document.autonomy, predicts=predicts,
                            actions=document.actions)  # fmt: skip
    _require(problem is None, *(problem or ("board", "")))
    toolset = check_toolset(document.tools, document.steps)
    definition = AgentDefinition(
        name=document.name.strip(),
        asset=document.asset.strip(),
        autonomy=document.autonomy,
        every_s=every_s,
        rules=tuple(_rule(rule, index) for index, rule in enumerate(document.rules)),
        prediction=None if document.prediction is None else _prediction(document.prediction),
        costs=_costs(document),
        budget=_budget(document.budget),
        actions=document.actions,
        cooldown_s=_seconds(document.cooldown, "cooldown"),
        template=document.template,
        board=read_board(document.board),
        recipients=check_recipients(document.recipients),
        learning=check_learning(document.learning),
        commands=check_commands(
            document.commands,
            may_write=ActionKind.WRITE in document.actions,
            predicts=document.prediction is not None,
        ),
        schedule=None if document.schedule is None else check_schedule(document.schedule),
        toolset=toolset,
        round=check_round(document.round, toolset, document.asset.strip()),
        orders=check_orders(document.orders, toolset),
        warning=check_warning(document.warning),
    )
    stored = msgspec.to_builtins(definition)
    _require(is_storable(stored), "definition", "has a value that cannot be stored as JSON.")
    return definition


def _check_decision(document: AgentDocument) -> None:
    """Raise AgentDefinitionInvalid unless the agent decides either about stops or about pumps."""
    schedules = document.schedule is not None
    decides_stops = any((document.prediction, document.costs, document.warning))
    _require(not schedules or not decides_stops, "schedule",
             "goes without `prediction`, `warning` and `costs`.")  # fmt: skip
    only = {ActionKind.SET_POINT} if schedules else set(ActionKind) - {ActionKind.SET_POINT}
    reason = "may name `set_point` only with `schedule`, and then nothing else."
    _require(set(document.actions) <= only, "actions", reason)


def is_storable(value: object, depth: int = 0) -> bool:
    """Return whether a decoded value can be stored and sent as JSON.

    Texts have no NUL, numbers are finite or have 64 bits, and nesting has a limit.
    """
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, dict):
        value = (*value.keys(), *value.values())
    if not isinstance(value, list | tuple):
        return True
    return depth < _MAX_DEPTH and all(is_storable(one, depth + 1) for one in value)


def _rule(rule: RuleDocument, index: int) -> Rule:
    """Return a rule. Raises AgentDefinitionInvalid."""
    at = f"rules[{index}]"
    _require(bool(rule.name.strip()), f"{at}.name", "is missing.")
    _require(bool(rule.tag) != bool(rule.concept), at, "needs either `tag` or `concept`.")
    limits = [limit for limit in (rule.above, rule.below) if limit is not None]
    _require(len(limits) == 1, at, "needs either `above` or `below`.")
    _require(abs(limits[0]) <= _MAX_LIMIT, at, f"needs a limit of {_MAX_LIMIT:g} at most.")
    unit = canonical_unit(rule.unit)
    _require(unit is not None, f"{at}.unit", f"`{rule.unit}` is not known.")
    return Rule(
        name=rule.name.strip(),
        tag=rule.tag,
        concept=rule.concept,
        comparison=rule.comparison,
        limit=limits[0],
        unit=unit or "",
        held_s=_seconds(rule.held_for, f"{at}.held_for") if rule.held_for else 0.0,
        stale_s=_seconds(rule.stale_after, f"{at}.stale_after"),
    )


def _prediction(document: PredictionDocument) -> PredictionStep:
    """Return the specialist's step. Raises AgentDefinitionInvalid."""
    _require(bool(document.model), "prediction.model", "is missing.")
    _require(bool(document.output), "prediction.output", "is missing.")
    is_horizon = 1 <= document.horizon <= MAX_PERIODS
    _require(is_horizon, "prediction.horizon", f"must be from 1 to {MAX_PERIODS}.")
    _require(0.5 <= document.level < 1, "prediction.level", "must be from 0.5 to below 1.")
    is_event = not document.event or is_event_kind(document.event)
    _require(is_event, "prediction.event", "must be a name such as `pump_failure`.")
    return PredictionStep(
        model=document.model,
        when=document.when,
        outcome=document.outcome,
        output=document.output,
        period_s=_seconds(document.period, "prediction.period"),
        horizon=document.horizon,
        event=document.event,
        level=document.level,
        options=document.options,
    )


def _costs(document: AgentDocument) -> MaintenanceCosts:
    """Return the costs. Raises AgentDefinitionInvalid."""
    stated = document.costs
    if stated is None:
        _require(document.schedule is not None, "costs", "is missing.")
        return NO_COSTS
    amounts = (stated.unplanned_stop, stated.inspection, stated.waiting, *stated.order_load)
    _require(not max(amounts) > _MAX_COST, "costs", f"has amounts of {_MAX_COST:g} at most.")
    try:
        return MaintenanceCosts(
            planned_stop=stated.planned_stop,
            unplanned_stop=stated.unplanned_stop,
            inspection=stated.inspection,
            detection=stated.detection,
            false_finding=stated.false_finding,
            spare_part_lead=stated.spare_part_lead,
            waiting=stated.waiting,
            order_load=stated.order_load,
        )
    except MaintenanceCostsInvalid as error:
        raise AgentDefinitionInvalid(str(error), param=f"costs.{error.field}") from error


def _budget(document: BudgetDocument) -> Budget:
    """Return the budget. Raises AgentDefinitionInvalid."""
    budget = Budget(
        per_tick_nano=_nano(document.per_tick, "budget.per_tick"),
        per_day_nano=_nano(document.per_day, "budget.per_day"),
        per_month_nano=_nano(document.per_month, "budget.per_month"),
    )
    in_order = budget.per_tick_nano <= budget.per_day_nano <= budget.per_month_nano
    _require(in_order, "budget", "must not allow more a tick than a day, or a day than a month.")
    return budget


def _nano(text: str, field: str) -> int:
    """Return an amount in nano-units. Raises AgentDefinitionInvalid."""
    try:
        nano = Decimal(text) * _NANO
        is_whole = nano == nano.to_integral_value()
    except InvalidOperation:
        is_whole, nano = False, Decimal(0)
    _require(is_whole and 0 <= nano <= _MAX_NANO, field, "must be an amount such as `2.50`.")
    return int(nano)


def _seconds(text: str, field: str) -> float:
    """Return the seconds of a duration. Raises AgentDefinitionInvalid."""
    try:
        return parse_duration(text)
    except DurationInvalid as error:
        raise AgentDefinitionInvalid(f"`{field}` {error}", param=field) from error


def _require(holds: bool, field: str, reason: str) -> None:
    """Raise AgentDefinitionInvalid for a field unless a condition holds."""
    if not holds:
        raise AgentDefinitionInvalid(f"`{field}` {reason}", param=field)
