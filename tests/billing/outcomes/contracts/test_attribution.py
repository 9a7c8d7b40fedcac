"""The rules by which an effect is owed to calls of ours."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.outcomes.contracts.attribution import (
    Settled,
    Supporting,
    can_be_reversed,
    confirms,
    holds,
    is_about,
    requirement,
    silent_until,
    span_of_calls,
    too_close,
)
from billing.outcomes.contracts.pricing import SILENCE
from billing.outcomes.contracts.supporting_calls import Attribution
from billing.outcomes.contracts.terms import AttesterKind, Deadlines, Event
from tests.billing.outcomes.outcome_terms import terms

AT = datetime(2026, 10, 11, 12, tzinfo=UTC)
KIND = Event(lead_hours=2, window_hours=168, apart_hours=72)
SILENT = Deadlines(10, 5, 90, 7, "Not objected to within 7 days it counts.")


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


@pytest.mark.parametrize(
    ("before", "holds"), [(2, True), (168, True), (1.9, False), (168.1, False), (-1, False)]
)
def test_the_window_of_calls(before: float, holds: bool) -> None:
    assert span_of_calls(KIND, AT).holds(AT - hours(before)) is holds


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
def test_what_a_call_is_about(tags: dict[str, str] | None, named: bool, about: bool) -> None:
    assert is_about(tags, terms(), "M1", named=named) is about


def test_apart() -> None:
    assert too_close(KIND, AT, AT - hours(72))
    assert too_close(KIND, AT, AT + hours(72))
    assert not too_close(KIND, AT, AT - hours(72.1))
    assert too_close(Event(2, 168, 0), AT, AT)


def test_who_confirms() -> None:
    accepted = terms(attesters=(AttesterKind.CUSTOMER_SYSTEM, AttesterKind.OUR_MODEL))
    assert confirms(accepted, "customer_system", same_as_claimant=True)
    assert confirms(accepted, "our_model", same_as_claimant=False)
    assert not confirms(accepted, "our_model", same_as_claimant=True)
    assert not confirms(accepted, "sign_off", same_as_claimant=False)


def test_what_is_required_of_a_call_is_said_in_words() -> None:
    said = "The contract requires a call of any model, made by predictions or infer."
    assert requirement(terms()) == said
    named = terms(attribution=Attribution(("vib", "eye"), ("infer",)))
    assert requirement(named) == "The contract requires a call of vib or eye, made by infer."


def test_deadlines() -> None:
    assert silent_until(Deadlines(10, 5, 90), AT) is None
    assert silent_until(SILENT, AT) == AT + timedelta(days=7)
    assert can_be_reversed(SILENT, AT, AT + timedelta(days=90))
    assert not can_be_reversed(SILENT, AT, AT + timedelta(days=90, seconds=1))


class TestSettled:
    ONE = Settled(AT, AT, "customer_system", AT, (Supporting(AT - hours(6), "vib", "predictions"),))

    def test_it_holds(self) -> None:
        assert holds(terms(), KIND, self.ONE, [])

    def test_another_nearby(self) -> None:
        assert not holds(terms(), KIND, self.ONE, [self.ONE])

    def test_no_call_in_time(self) -> None:
        call = Supporting(AT, "vib", "predictions")
        late = Settled(AT, AT, "customer_system", AT, (call,))
        assert not holds(terms(), KIND, late, [])

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
    def test_a_call_of_another_model_or_operation_does_not_support_it(
        self, model: str | None, operation: str | None, found: bool
    ) -> None:
        named = terms(attribution=Attribution(("vib",), ("predictions", "infer")))
        call = Supporting(AT - hours(6), model, operation)
        one = Settled(AT, AT, "customer_system", AT, (call,))
        assert holds(named, KIND, one, []) is found

    def test_a_settlement_from_before_operations_were_kept_is_judged_as_it_was(self) -> None:
        call = Supporting(AT - hours(6), "any", None)
        one = Settled(AT, AT, "customer_system", AT, (call,))
        assert holds(terms(), KIND, one, [])

    def test_an_attester_who_is_not_accepted(self) -> None:
        ours = Settled(AT, AT, "our_model", AT, self.ONE.calls)
        assert not holds(terms(), KIND, ours, [])

    def test_silence(self) -> None:
        def silent(days: int) -> Settled:
            return Settled(AT, AT, SILENCE, AT + timedelta(days=days), self.ONE.calls)

        assert holds(terms(deadlines=SILENT), KIND, silent(7), [])
        assert not holds(terms(deadlines=SILENT), KIND, silent(6), [])
        assert not holds(terms(), KIND, silent(7), [])
