"""The document that people write: an agent as TOML or JSON, with durations and amounts in words.

Unknown fields are refused, so that a misspelt limit is not silently missing.
"""

import tomllib
from typing import Any

import msgspec

from gateway.agents.definitions.board import BoardDocument
from gateway.agents.definitions.command_steps import CommandDocument
from gateway.agents.definitions.learning import LearningDocument
from gateway.agents.definitions.orders import OrderPlan
from gateway.agents.definitions.recipients import RecipientsDocument
from gateway.agents.definitions.rounds import RoundDocument
from gateway.agents.definitions.schedule import ScheduleDocument
from gateway.agents.definitions.tools import Step, Tool
from gateway.agents.definitions.values import (
    ActionKind,
    Autonomy,
    Comparison,
    OutcomeKind,
    PredictWhen,
)
from gateway.agents.definitions.warning import WarningDocument
from gateway.agents.errors import AgentDefinitionInvalid

MAX_CHARACTERS = 64_000


class RuleDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as written: exactly one of `above` and `below`, and one of `tag` and `concept`."""

    name: str
    tag: str = ""
    concept: str = ""
    above: float | None = None
    below: float | None = None
    unit: str = ""
    held_for: str = ""
    stale_after: str = "1h"

    @property
    def comparison(self) -> Comparison:
        """The side of the limit."""
        return Comparison.ABOVE if self.above is not None else Comparison.BELOW


class PredictionDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The specialist as written."""

    model: str
    output: str
    outcome: OutcomeKind = OutcomeKind.PROBABILITY
    when: PredictWhen = PredictWhen.ALWAYS
    period: str = "1d"
    horizon: int = 7
    event: str = ""
    level: float = 0.9
    options: dict[str, Any] = {}


class CostDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Costs of stops as written, in the account's currency."""

    planned_stop: float
    unplanned_stop: float
    inspection: float
    detection: float = 0.9
    false_finding: float = 0.05
    spare_part_lead: int = 0
    waiting: float = 0.0
    order_load: tuple[float, ...] = (0.0,)


class BudgetDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The budget as written: amounts as decimal texts."""

    per_tick: str = "1"
    per_day: str = "10"
    per_month: str = "100"


class AgentDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent as written. costs: of stops, needed unless the agent has a `schedule`."""

    name: str
    asset: str
    costs: CostDocument | None = None
    autonomy: Autonomy = Autonomy.ADVISE
    every: str = "10m"
    rules: tuple[RuleDocument, ...] = ()
    prediction: PredictionDocument | None = None
    budget: BudgetDocument = BudgetDocument()
    actions: tuple[ActionKind, ...] = ()
    cooldown: str = "1d"
    template: str = ""
    board: BoardDocument | None = None
    recipients: RecipientsDocument = RecipientsDocument()
    learning: LearningDocument = LearningDocument()
    commands: tuple[CommandDocument, ...] = ()
    schedule: ScheduleDocument | None = None
    tools: tuple[Tool, ...] = ()
    steps: tuple[Step, ...] = ()
    round: RoundDocument | None = None
    warning: WarningDocument | None = None
    orders: OrderPlan | None = None


def read_toml(text: str) -> AgentDocument:
    """Return the document of a TOML text. Raises AgentDefinitionInvalid."""
    if len(text) > MAX_CHARACTERS:
        raise AgentDefinitionInvalid(f"A definition has at most {MAX_CHARACTERS} characters.")
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AgentDefinitionInvalid(f"The definition is not valid TOML: {error}.") from error
    except RecursionError:
        raise AgentDefinitionInvalid("The definition is nested too deeply.") from None
    return read_fields(fields)


def read_fields(fields: object) -> AgentDocument:
    """Return the document of decoded JSON or TOML. Raises AgentDefinitionInvalid."""
    try:
        return msgspec.convert(fields, AgentDocument)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        param = path.rstrip("`").lstrip(".") or None
        raise AgentDefinitionInvalid(f"{message}.", param=param) from error
    except RecursionError:
        raise AgentDefinitionInvalid("The definition is nested too deeply.") from None
