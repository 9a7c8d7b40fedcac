"""The definition of an agent: what it observes, predicts, may do and spend."""

from enum import StrEnum

import msgspec

from gateway.agents.definitions.board import BoardMembership
from gateway.agents.definitions.command_steps import CommandStep
from gateway.agents.definitions.learning import Learning
from gateway.agents.definitions.orders import OrderPlan
from gateway.agents.definitions.recipients import Recipients
from gateway.agents.definitions.rounds import RoundPlan
from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.definitions.tools import Toolset
from gateway.agents.definitions.warning import WarningStep
from models.policies.maintenance.costs import MaintenanceCosts


class Autonomy(StrEnum):
    """What an agent does with its decisions.

    observe: records them. advise: also tells its recipients. approve: also proposes actions, which
    a person approves. act: takes the permitted actions itself.
    """

    OBSERVE = "observe"
    ADVISE = "advise"
    APPROVE = "approve"
    ACT = "act"


class ActionKind(StrEnum):
    """What an agent may do beside telling its recipients."""

    WORK_ORDER = "work_order"
    SPARE_PART = "spare_part"
    WRITE = "write"
    SET_POINT = "set_point"
    ORDER_DRAFT = "order_draft"


class Comparison(StrEnum):
    """The side of a limit on which a reading raises a rule."""

    ABOVE = "above"
    BELOW = "below"


class PredictWhen(StrEnum):
    """When the specialist is called: in every tick, or only if a rule was raised."""

    ALWAYS = "always"
    RULE = "rule"


class OutcomeKind(StrEnum):
    """What an output of the specialist says of the failure.

    probability: that it comes within the horizon. remaining_life: how long the machine still runs.
    """

    PROBABILITY = "probability"
    REMAINING_LIFE = "remaining_life"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A limit on a point of the asset, named by its tag or by its concept.

    limit: in `unit`, which is converted to the point's. held_s: for how long the readings must be
    beyond it. stale_s: an older reading says nothing.
    """

    name: str
    tag: str = ""
    concept: str = ""
    comparison: Comparison
    limit: float
    unit: str = ""
    held_s: float = 0.0
    stale_s: float = 3600.0


class PredictionStep(msgspec.Struct, frozen=True, kw_only=True):
    """The specialist that is asked, by asset, and how its answer is read.

    output: the name of the output. period_s: the length of a period of the decision, and of a unit
    of remaining life. horizon: periods ahead. event: the kind of event under which predictions are
    recorded in the prediction ledger, empty for none. options: of the asset
    (docs/plant-predictions.md).
    """

    model: str
    when: PredictWhen
    outcome: OutcomeKind
    output: str
    period_s: float
    horizon: int
    event: str = ""
    level: float = 0.9
    options: dict[str, object] = {}


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls of an agent may cost, in nano-units of the account's currency."""

    per_tick_nano: int
    per_day_nano: int
    per_month_nano: int


class AgentDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an agent.

    asset: its code or id. every_s: seconds between ticks. cooldown_s: after an action, the same
    kind is not repeated for so long. Recipients are the account's mailbox and endpoints.
    """

    name: str
    asset: str
    autonomy: Autonomy
    every_s: float
    rules: tuple[Rule, ...]
    prediction: PredictionStep | None
    costs: MaintenanceCosts
    budget: Budget
    actions: tuple[ActionKind, ...] = ()
    cooldown_s: float = 86_400.0
    template: str = ""
    board: BoardMembership | None = None
    recipients: Recipients = Recipients()
    learning: Learning = Learning()
    commands: tuple[CommandStep, ...] = ()
    schedule: ScheduleStep | None = None
    toolset: Toolset = Toolset()
    round: RoundPlan | None = None
    orders: OrderPlan | None = None
    warning: WarningStep | None = None

    @property
    def outlook_step(self) -> PredictionStep | WarningStep | None:
        """What states the probability of an event: the specialist, else the learned warning."""
        return self.prediction or self.warning
