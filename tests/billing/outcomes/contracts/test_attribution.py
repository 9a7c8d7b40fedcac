"""Attribution rules: when an effect is owed because of supporting calls."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.outcomes.contracts.attribution import (
    SettledOutcome,
    SupportingCall,
    call_window,
    has_matching_tags,
    is_billable,
    is_confirmation,
    is_reversible,
    is_same_effect,
    silence_deadline,
    supporting_call_requirement,
)
from billing.outcomes.contracts.pricing import SILENCE
from billing.outcomes.contracts.supporting_calls import AttributionRules
from billing.outcomes.contracts.terms import AttesterKind, ContractDeadlines, EventEffect
from tests.billing.outcomes.outcome_terms import terms

AT = datetime(2026, 10, 11, 12, tzinfo=UTC)
KIND = EventEffect(lead_hours=2, window_hours=168, apart_hours=72)
SILENT = ContractDeadlines(10, 5, 90, 7, "Not objected to within 7 days it counts.")


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


@pytest.mark.parametrize(
    ("before", "holds"), [(2, True), (168, True), (1.9, False), (168.1, False), (-1, False)]
)
def test_call_window_is_bounded_by_lead_and_window_hours(before: float, holds: bool) -> None:
    assert call_window(KIND, AT).contains(AT - hours(before)) is holds


@pytest.mark.parametrize(
    ("tags", "named", "about"),
    [
        ({"machine": "M1", "contract": "spindles", "order": "A"}, False, True),
        ({"machine": "M1"}, False, False),
        (None, False, False),
        ({"machine": "M1"}, True, True),
        (None, True, True),
        ({"machine": "M2"}, True, False),
        ({"contract": "scrap"}, True, False),
    ],
)
def test_call_matches_contract_and_subject_by_tags(
    tags: dict[str, str] | None, named: bool, about: bool
) -> None:
    assert has_matching_tags(tags, terms(), "M1", listed_in_claim=named) is about


def test_effects_within_the_minimum_interval_are_the_same_effect() -> None:
    assert is_same_effect(KIND, AT, AT - hours(72))
    assert is_same_effect(KIND, AT, AT + hours(72))
    assert not is_same_effect(KIND, AT, AT - hours(72.1))
    assert is_same_effect(EventEffect(2, 168, 0), AT, AT)


def test_confirmation_needs_an_accepted_attester_and_not_the_claiming_model() -> None:
    accepted = terms(attesters=(AttesterKind.CUSTOMER_SYSTEM, AttesterKind.OUR_MODEL))
    assert is_confirmation(accepted, "customer_system", same_as_claimant=True)
    assert is_confirmation(accepted, "our_model", same_as_claimant=False)
    assert not is_confirmation(accepted, "our_model", same_as_claimant=True)
    assert not is_confirmation(accepted, "sign_off", same_as_claimant=False)


def test_requirement_text_names_models_and_operations() -> None:
    said = "The contract requires a call of any model, made by predictions or infer."
    assert supporting_call_requirement(terms()) == said
    named = terms(attribution=AttributionRules(("vib", "eye"), ("infer",)))
    assert (
        supporting_call_requirement(named)
        == "The contract requires a call of vib or eye, made by infer."
    )


def test_silence_and_reversal_deadlines_follow_the_terms() -> None:
    assert silence_deadline(ContractDeadlines(10, 5, 90), AT) is None
    assert silence_deadline(SILENT, AT) == AT + timedelta(days=7)
    assert is_reversible(SILENT, AT, AT + timedelta(days=90))
    assert not is_reversible(SILENT, AT, AT + timedelta(days=90, seconds=1))


class TestBillableOutcome:
    ONE = SettledOutcome(
        AT, AT, "customer_system", AT, (SupportingCall(AT - hours(6), "vib", "predictions"),)
    )

    def test_outcome_with_a_supporting_call_is_billable(self) -> None:
        assert is_billable(terms(), KIND, self.ONE, [])

    def test_outcome_within_the_interval_of_another_is_not_billable(self) -> None:
        assert not is_billable(terms(), KIND, self.ONE, [self.ONE])

    def test_outcome_without_a_call_in_the_window_is_not_billable(self) -> None:
        call = SupportingCall(AT, "vib", "predictions")
        late = SettledOutcome(AT, AT, "customer_system", AT, (call,))
        assert not is_billable(terms(), KIND, late, [])

    @pytest.mark.parametrize(
        ("model", "operation", "found"),
        [
            ("vib", "infer", True),
            ("vib", "embeddings", False),
            ("eye", "infer", False),
            (None, "infer", False),
            ("vib", None, False),
        ],
    )
    def test_only_calls_of_named_models_and_operations_count(
        self, model: str | None, operation: str | None, found: bool
    ) -> None:
        named = terms(attribution=AttributionRules(("vib",), ("predictions", "infer")))
        call = SupportingCall(AT - hours(6), model, operation)
        one = SettledOutcome(AT, AT, "customer_system", AT, (call,))
        assert is_billable(named, KIND, one, []) is found

    def test_call_stored_without_an_operation_counts_under_default_rules(self) -> None:
        call = SupportingCall(AT - hours(6), "any", None)
        one = SettledOutcome(AT, AT, "customer_system", AT, (call,))
        assert is_billable(terms(), KIND, one, [])

    def test_outcome_of_an_attester_not_accepted_is_not_billable(self) -> None:
        ours = SettledOutcome(AT, AT, "our_model", AT, self.ONE.calls)
        assert not is_billable(terms(), KIND, ours, [])

    def test_outcome_without_objection_is_billable_after_the_silence_period(self) -> None:
        def silent(days: int) -> SettledOutcome:
            return SettledOutcome(AT, AT, SILENCE, AT + timedelta(days=days), self.ONE.calls)

        assert is_billable(terms(deadlines=SILENT), KIND, silent(7), [])
        assert not is_billable(terms(deadlines=SILENT), KIND, silent(6), [])
        assert not is_billable(terms(), KIND, silent(7), [])
