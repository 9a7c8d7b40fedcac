"""Pure parts of learning: settings, features, choice with exploration, outcomes, limits."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.agents.assessment import assess_prediction, assess_rules
from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields, read_toml
from gateway.agents.definitions.fields import definition_fields
from gateway.agents.definitions.toml_text import document_fields, toml_text
from gateway.agents.definitions.values import Comparison, Rule
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.agents.learning.choosing import NOTHING_LEARNED, choose
from gateway.agents.learning.features import excess, features_of
from gateway.agents.learning.limits import RaisedReading, new_limit
from gateway.agents.learning.outcomes import Observed, fault_by_events
from gateway.agents.rules import RuleResult, RuleStatus
from gateway.tables.agents_learning import AgentDecision
from infra import ids
from models.policies.maintenance.policy import Action
from tests.support.gateway.agents import PREDICTION, definition

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
LEARNING = {"enabled": True, "exploration": 0.2, "explore_within": 500, "promotion": "automatic"}


def raised(value: float = 5.4, status: RuleStatus = RuleStatus.RAISED) -> RuleResult:
    return RuleResult(name="vibration", status=status, value=value, limit=4.5, unit="mm/s")


class TestSettings:
    def test_section_is_read_shown_and_written_as_toml(self) -> None:
        read = definition(learning={**LEARNING, "shadow": "3d"})
        assert definition_fields(read)["learning"]["shadow"] == "3d"
        assert check(read_toml(toml_text(document_fields(read)))) == read
        assert "learning" not in definition_fields(definition())

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("exploration", 0.3), ("exploration", -0.1), ("explore_within", -1),
            ("shadow", "soon"), ("ignored_after", "400d"),
        ],
    )  # fmt: skip
    def test_invalid_setting_is_refused_by_field(self, field: str, value: Any) -> None:
        with pytest.raises(AgentDefinitionInvalid) as caught:
            definition(learning={field: value})
        assert caught.value.param == f"learning.{field}"

    def test_unknown_field_is_refused(self) -> None:
        with pytest.raises(AgentDefinitionInvalid):
            read_fields({"learning": {"enable": True}})


class TestChoice:
    def test_features_are_probability_and_distance_to_limits(self) -> None:
        learns = definition(learning=LEARNING, prediction=PREDICTION)
        step = learns.prediction
        assert step is not None
        decided = assess_prediction(learns, step, [raised()], {"failure_probability": 0.02})
        found = features_of(learns, decided, [raised()])
        assert found == pytest.approx({"failure_probability": 0.02, "rule:vibration": 0.2})
        by_rules = assess_rules([raised()])
        assert features_of(learns, by_rules, [raised()]) is None
        assert features_of(definition(), assess_rules([]), []) is None

    def test_distance_is_positive_beyond_either_side(self) -> None:
        assert excess(5.4, 4.5, Comparison.ABOVE) == pytest.approx(0.2)
        assert excess(3.6, 4.5, Comparison.BELOW) == pytest.approx(0.2)
        assert excess(-99.0, 4.5, Comparison.ABOVE) == -1.0

    def test_agent_that_does_not_learn_logs_nothing(self) -> None:
        decided = assess_rules([raised()])
        assert choose(definition(), NOTHING_LEARNED, [raised()], decided, "a") == (decided, None)

    def test_rules_alone_draw_nothing_and_never_stop(self) -> None:
        learns = definition(learning=LEARNING)
        for seed in range(50):
            _, choice = choose(
                learns, NOTHING_LEARNED, [raised()], assess_rules([raised()]), str(seed)
            )
            assert choice is not None
            assert (choice.action, choice.propensity) == (Action.INSPECT, 1.0)
            assert Action.STOP not in choice.allowed

    def test_drawn_action_is_rare_within_the_distance_and_repeatable(self) -> None:
        learns = definition(learning=LEARNING, prediction=PREDICTION)
        step = learns.prediction
        assert step is not None
        decided = assess_prediction(learns, step, [raised()], {"failure_probability": 0.02})
        cheap = {
            one for one, cost in decided.costs.items() if cost <= min(decided.costs.values()) + 500
        }
        assert len(cheap) == 2
        drawn = {}
        for seed in range(400):
            changed, choice = choose(learns, NOTHING_LEARNED, [raised()], decided, str(seed))
            again = choose(learns, NOTHING_LEARNED, [raised()], decided, str(seed))
            assert again == (changed, choice)
            assert choice is not None
            assert choice.action.value in cheap
            assert choice.propensity == (0.8 if choice.action is decided.action else 0.2)
            assert changed.chosen_by == (None if choice.action is decided.action else 0)
            drawn[seed] = choice.action is not decided.action
        assert 50 < sum(drawn.values()) < 110

    def test_exploration_is_off_by_default(self) -> None:
        learns = definition(learning={"enabled": True}, prediction=PREDICTION)
        assert (learns.learning.exploration, learns.learning.explore_within) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("action", "failures", "denials", "ignored", "days", "fault"),
    [
        ("wait", [1], [], False, 2, True),
        ("inspect", [1], [], False, 2, True),
        ("wait", [], [], False, 2, None),
        ("wait", [], [], False, 4, False),
        ("wait", [4], [], False, 5, False),
        ("wait", [-1], [], False, 4, False),
        ("inspect", [], [], False, 4, None),
        ("inspect", [], [], True, 4, False),
        ("inspect", [], [1], False, 2, False),
    ],
)
def test_absence_of_a_failure_counts_only_if_nobody_intervened(
    action: str, failures: list[int], denials: list[int], ignored: bool, days: int,
    fault: bool | None,
) -> None:  # fmt: skip
    row = AgentDecision(
        tick_id=ids.new_id(), account_id=ids.new_id(), agent_id=ids.new_id(), asset_id=ids.new_id(),
        decided_at=NOW, horizon_s=3 * 86_400.0, features={}, allowed=[], action=action,
        reference=action, propensity=1.0,
    )  # fmt: skip
    observed = Observed(
        [NOW + timedelta(days=one) for one in failures],
        [NOW + timedelta(days=one) for one in denials],
    )
    assert fault_by_events(row, observed, ignored, NOW + timedelta(days=days)) is fault


class TestLimits:
    RULE = Rule(name="v", tag="V", comparison=Comparison.ABOVE, limit=4.5, unit="mm/s")

    def limit(self, false: list[float], true: list[float], rule: Rule = RULE) -> float | None:
        readings = [
            RaisedReading(value, fault) for values, fault in ((false, False), (true, True))
            for value in values
        ]  # fmt: skip
        found = new_limit(rule, readings)
        return None if found is None else found.limit

    def test_limit_moves_above_false_alarms_and_stays_below_faults(self) -> None:
        assert self.limit([4.6, 4.7, 4.7, 4.8, 4.9], []) == pytest.approx(4.8048)
        assert self.limit([4.6, 4.7, 4.7, 4.8, 4.9], [4.75]) == pytest.approx(4.7047)
        assert self.limit([4.6, 4.7, 4.7, 4.8, 4.9], [4.55]) is None

    def test_few_or_mostly_right_alarms_move_nothing(self) -> None:
        assert self.limit([4.6] * 4, []) is None
        assert self.limit([4.6] * 5, [6.0] * 5) is None

    def test_limit_moves_at_most_a_quarter(self) -> None:
        assert self.limit([4.6, 9.0, 9.0, 9.0, 9.0, 9.0], []) == pytest.approx(4.6046)

    def test_lower_limit_moves_down(self) -> None:
        low = msgspec.structs.replace(self.RULE, comparison=Comparison.BELOW)
        assert self.limit([4.4, 4.3, 4.3, 4.2, 4.1], [], low) == pytest.approx(4.1958)
