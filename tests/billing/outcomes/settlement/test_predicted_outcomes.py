"""Contracts with prediction rules: from a prediction to a paid or credited outcome."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from billing.outcomes.contracts.field_rules import OutcomeTermsInvalid
from billing.outcomes.contracts.terms import AttesterKind, ContractDeadlines
from billing.outcomes.evidence.readings_file import EvidenceInvalid
from billing.outcomes.evidence.statements import StatementInvalid
from billing.outcomes.predictions.content import Basis, PredictionSource, PredictionVerdict
from billing.outcomes.predictions.errors import PredictionRecordRejected
from billing.outcomes.predictions.model_keys import revoke_key
from billing.outcomes.settlement import prediction_periods
from billing.outcomes.settlement.bundle import parse_bundle
from billing.outcomes.settlement.claims import AttesterNotAccepted
from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.prediction_assessment import assess_periods
from billing.outcomes.settlement.replay import replay_bundle
from billing.outcomes.settlement.views import outcome_json, settlement_json
from billing.tables import Outcome, OutcomeSettlement, PredictionRecord
from infra import ids
from tests.support.billing.making import sql
from tests.support.outcomes.predictions import (
    RULES,
    SIGNER,
    name_of,
    predicted_contract,
    record_at,
)
from tests.support.stories.outcome_story import Contract, contract, terms
from tests.support.stories.story import Story

CUSTOMER, OPERATOR = "customer", "operator"
SYSTEM, OURS = AttesterKind.CUSTOMER_SYSTEM, AttesterKind.OUR_MODEL
FAILURE = (2026, 10, 11, 12)


@pytest.fixture
async def pumps(story: Story) -> Contract:
    """The contract with prediction rules, on the 20th of October."""
    made = await predicted_contract(await story.firm())
    story.clock.set(2026, 10, 20)
    return made


async def predicted(of: Contract, machine: str, *at: int, hours: int = 48, **values: Any) -> Any:
    """A record about a machine, so many hours before a time."""
    made_at = of.firm.story.clock.at(*at) - timedelta(hours=hours)
    return await record_at(of.firm, made_at, subject=machine, **values)


async def claim(
    of: Contract, key: str, machine: str, *at: int, record: PredictionRecord | None, **said: Any
) -> Outcome:
    """A claim by the operator's model key that cites a record."""
    content = {"outcome": key, "subject": machine, "happened_at": of.firm.story.clock.at(*at)}
    cited = {} if record is None else {"prediction": name_of(record)}
    return await of.claims_by(await of.says("claim", OURS, {**content, **cited, **said}))


async def hit(of: Contract, machine: str, day: int) -> Outcome:
    """A failure of October that was predicted two days before, claimed and confirmed."""
    at = (2026, 10, day, 12)
    made = await predicted(of, machine, *at)
    return await of.confirms(await claim(of, f"W-{machine}", machine, *at, record=made))


async def settled(of: Contract) -> OutcomeSettlement:
    await of.until(2026, 11, 4)
    (settlement,) = await of.settlements()
    return settlement


async def four_hits(of: Contract) -> list[Outcome]:
    return [await hit(of, f"M{number}", 4 + 3 * number) for number in (1, 2, 3, 4)]


class TestCitedRecord:
    async def test_record_that_predicted_the_event_supports_the_claim(
        self, pumps: Contract
    ) -> None:
        record = await predicted(pumps, "M1", *FAILURE)
        outcome = await claim(pumps, "W-1", "M1", *FAILURE, record=record)
        assert (outcome.refused_for, outcome.prediction_id) == (None, record.id)
        async with pumps.firm.story.database.transaction() as session:
            assert (await outcome_json(session, outcome))["prediction"] == name_of(record)

    @pytest.mark.parametrize(
        ("hours", "values", "reason"),
        [
            (1, {}, "does not cover the event: it must be made 2 to 168 hours before"),
            (-1, {}, "does not cover"),
            (169, {}, "does not cover"),
            (48, {"probability_ppm": 599_999}, "probability of at least 60 %"),
            (48, {"verdict": PredictionVerdict.NO}, "probability of at least"),
            (48, {"subject": "M2"}, "other subjects"),
            (48, {"event": "bearing_failure"}, "predicts bearing_failure"),
            (48, {"basis": Basis("llm", PredictionSource.AGENT)}, "of a model"),
        ],
    )
    async def test_record_that_did_not_predict_the_event_is_refused_with_the_reason(
        self, pumps: Contract, hours: int, values: dict[str, Any], reason: str
    ) -> None:
        machine = values.get("subject", "M1")
        others = {name: value for name, value in values.items() if name != "subject"}
        record = await predicted(pumps, machine, *FAILURE, hours=hours, **others)
        with pytest.raises(PredictionRecordRejected, match=reason) as caught:
            await claim(pumps, "W-1", "M1", *FAILURE, record=record)
        error = caught.value
        assert (error.code, error.param) == ("prediction_record_rejected", "prediction")

    async def test_horizon_must_contain_the_event(self, pumps: Contract) -> None:
        at = pumps.firm.story.clock.at(*FAILURE)
        record = await predicted(pumps, "M1", *FAILURE, horizon_to=at - timedelta(hours=1))
        with pytest.raises(PredictionRecordRejected, match="horizon"):
            await claim(pumps, "W-1", "M1", *FAILURE, record=record)

    async def test_claim_without_a_record_or_with_a_foreign_one_is_refused(
        self, pumps: Contract
    ) -> None:
        with pytest.raises(PredictionRecordRejected, match="must name the record"):
            await claim(pumps, "W-1", "M1", *FAILURE, record=None)
        other = await pumps.firm.story.firm("Other")
        at = pumps.firm.story.clock.at(*FAILURE) - timedelta(hours=48)
        foreign = await record_at(other, at)
        with pytest.raises(PredictionRecordRejected, match="no such"):
            await claim(pumps, "W-1", "M1", *FAILURE, record=foreign)
        with pytest.raises(StatementInvalid):
            await claim(pumps, "W-1", "M1", *FAILURE, record=None, prediction="req_1")

    async def test_record_of_a_revoked_key_is_refused(self, pumps: Contract) -> None:
        record = await predicted(pumps, "M1", *FAILURE)
        clock, since = pumps.firm.story.clock, record.recorded_at
        async with pumps.firm.story.database.transaction() as session:
            await revoke_key(session, clock, SIGNER, record.kid, "leaked", since)
        with pytest.raises(PredictionRecordRejected, match="revoked"):
            await claim(pumps, "W-1", "M1", *FAILURE, record=record)

    async def test_record_with_another_signature_is_refused(self, pumps: Contract) -> None:
        record = await predicted(pumps, "M1", *FAILURE)
        other = SIGNER.key("other", 1).public_key.hex()
        query = f"update prediction_key set public_key = decode('{other}', 'hex')"
        await sql(pumps.firm.story.database, query)
        with pytest.raises(PredictionRecordRejected, match="cannot be verified"):
            await claim(pumps, "W-1", "M1", *FAILURE, record=record)

    async def test_reported_record_counts_only_where_the_contract_accepts_it(
        self, story: Story
    ) -> None:
        firm = await story.firm()
        pumps = await predicted_contract(firm, agents=("pump-monitor",))
        story.clock.set(2026, 10, 20)
        call = await pumps.use("M1", 2026, 10, 9, 12)
        basis = Basis("vib", PredictionSource.REPORTED, request_ids=(call.request_id,))
        reported = await predicted(pumps, "M1", *FAILURE, basis=basis)
        with pytest.raises(PredictionRecordRejected, match="reported by a program"):
            await claim(pumps, "W-1", "M1", *FAILURE, record=reported)
        nobody = await predicted(pumps, "M1", *FAILURE, agent=None, idempotency_key="other")
        with pytest.raises(PredictionRecordRejected, match="of an agent"):
            await claim(pumps, "W-1", "M1", *FAILURE, record=nobody)

    async def test_record_supports_one_outcome_and_its_calls_are_attributed(
        self, pumps: Contract
    ) -> None:
        call = await pumps.use("M1", 2026, 10, 9, 12)
        basis = Basis("vib", PredictionSource.AGENT, request_ids=(call.request_id,))
        record = await predicted(pumps, "M1", *FAILURE, hours=47, basis=basis)
        await claim(pumps, "W-1", "M1", *FAILURE, record=record)
        again = await claim(pumps, "W-2", "M1", 2026, 10, 15, 12, record=record)
        assert again.refused_for == "record_taken"

    async def test_contract_without_rules_keeps_its_terms_and_needs_no_record(
        self, story: Story
    ) -> None:
        usual = await contract(await story.firm())
        story.clock.set(2026, 10, 20)
        await usual.use("M1", 2026, 10, 11, 6)
        record = await record_at(usual.firm, story.clock.at(2026, 10, 11, 6))
        outcome = await claim(usual, "W-1", "M1", *FAILURE, record=record)
        assert (outcome.refused_for, outcome.prediction_id) == (None, None)
        assert b"predictions" not in terms(usual.firm).canonical_json()

    async def test_our_model_attests_the_prediction_and_never_the_event(
        self, pumps: Contract
    ) -> None:
        record = await predicted(pumps, "M1", *FAILURE)
        outcome = await claim(pumps, "W-1", "M1", *FAILURE, record=record)
        assert outcome.confirmed_at is None
        with pytest.raises(AttesterNotAccepted):
            await pumps.confirms(outcome, OURS)


class TestRulesInTerms:
    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"floor": 1}, "floor"),
            ({"attesters": (OURS,)}, "attesters"),
            (
                {"deadlines": ContractDeadlines(10, 5, 90, 10, "Silence counts as confirmation.")},
                "deadlines.silence_days",
            ),
        ],
    )
    async def test_amounts_without_skill_or_observer_are_not_allowed(
        self, story: Story, values: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(OutcomeTermsInvalid) as caught:
            await contract(await story.firm(), **{"predictions": RULES, **values})
        assert caught.value.param == field

    async def test_new_contract_cannot_name_our_model_without_rules(self, story: Story) -> None:
        with pytest.raises(OutcomeTermsInvalid, match="ledger"):
            await contract(await story.firm(), attesters=(SYSTEM, OURS))


class TestSettlement:
    async def test_period_with_skill_is_paid_and_replays_offline(self, pumps: Contract) -> None:
        """Four hits at 300.00. Each alarm is 166 of 744 hours, 22.3 %; chance 0.223^4 = 0.25 %."""
        await four_hits(pumps)
        settlement = await settled(pumps)
        assert (settlement.minor, settlement.micro) == (1_200_00, 4_000_000)
        (period,) = assess_periods(parse_bundle(settlement.bundle))
        assert (period.assessment.hits, period.assessment.warnings) == (4, 4)
        assert period.assessment.chance_ppm == 2_478
        replayed = replay_bundle(settlement.bundle, measure_effect)
        assert (replayed.result.minor, replayed.differences) == (1_200_00, ())
        async with pumps.firm.story.database.transaction() as session:
            shown = await settlement_json(session, settlement)
        (figures,) = shown["predictions"]
        assert (figures["precision"], figures["recall"], figures["paid"]) == (1.0, 1.0, True)
        assert (figures["rule"], figures["settle_months"]) == (1, 1)

    async def test_signed_missed_events_can_make_a_period_unpaid(self, pumps: Contract) -> None:
        """Four hits of nine events: recall 44 %, below the agreed 50 %. Nothing is due."""
        await four_hits(pumps)
        for number in range(5, 9):
            await event(pumps, f"W-M{number}", f"M{number}", 2026, 10, 15)
        await event(pumps, "W-M8b", "M8", 2026, 10, 19)
        await event(pumps, "W-M1", "M1", 2026, 10, 7, 13)  # the claimed failure, reported again
        settlement = await settled(pumps)
        (period,) = assess_periods(parse_bundle(settlement.bundle))
        assert (period.assessment.events, period.assessment.recall_ppm) == (9, 444_444)
        assert "recall" in period.assessment.failed
        assert (settlement.minor, settlement.micro) == (0, 0)
        assert replay_bundle(settlement.bundle, measure_effect).differences == ()

    async def test_always_warning_is_paid_nothing(self, pumps: Contract) -> None:
        """Warnings about all machines every three days cover all four failures."""
        made = {
            (number, day): await predicted(pumps, f"M{number}", 2026, 10, day, 12, hours=60)
            for day in range(1, 19, 3)
            for number in range(1, 9)
        }
        for number in (1, 2, 3, 4):
            at = (2026, 10, 4 + 3 * number, 12)
            record = made[number, 4 + 3 * number]
            outcome = await claim(pumps, f"W-{number}", f"M{number}", *at, record=record)
            await pumps.confirms(outcome)
        settlement = await settled(pumps)
        (period,) = assess_periods(parse_bundle(settlement.bundle))
        assert (settlement.minor, period.assessment.recall_ppm) == (0, 1_000_000)
        assert {"skill", "precision"} <= set(period.assessment.failed)

    async def test_period_of_several_months_is_settled_at_its_end(self, story: Story) -> None:
        pumps = await predicted_contract(await story.firm(), settle_months=2)
        story.clock.set(2026, 10, 20)
        await four_hits(pumps)
        first = await settled(pumps)
        assert (first.minor, parse_bundle(first.bundle).predictions) == (0, ())
        await pumps.until(2026, 12, 4)
        _, second = await pumps.settlements()
        assert second.minor == 1_200_00

    async def test_period_with_too_many_records_keeps_its_warnings(
        self, pumps: Contract, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(prediction_periods, "_MAX_RECORDS", 1)
        await predicted(pumps, "M8", 2026, 10, 5, verdict=PredictionVerdict.NO)
        await four_hits(pumps)
        bundle = parse_bundle((await settled(pumps)).bundle)
        assert len(bundle.predictions[0].records) == 4
        assert bundle.result is not None
        assert bundle.result.minor == 1_200_00

    async def test_changed_bundle_is_found(self, pumps: Contract) -> None:
        await four_hits(pumps)
        await event(pumps, "W-M8", "M8", 2026, 10, 19)
        bundle = parse_bundle((await settled(pumps)).bundle)
        (period,) = bundle.predictions
        record = period.records[0]
        forged = record[:-4] + ("AAAA" if record[-4:] != "AAAA" else "BBBB")
        moved = replace(period.events[-1], subject="M7")
        for other, figure in (
            (replace(period, records=(forged, *period.records[1:])), "signature of a prediction"),
            (replace(period, records=("x", *period.records[1:])), "signature of a prediction"),
            (replace(period, events=(*period.events[:-1], moved)), "event evd_"),
            (
                replace(period, events=(replace(period.events[0], evidence=""),)),
                "event outc_",
            ),
        ):
            text = replace(bundle, predictions=(other,)).canonical_json()
            found = replay_bundle(text, measure_effect).differences
            assert any(one.figure.startswith(figure) for one in found)
        unsigned = tuple(
            replace(one, said="{}") if one.kind == "event" else one for one in bundle.evidence
        )
        text = replace(bundle, evidence=unsigned).canonical_json()
        found = replay_bundle(text, measure_effect).differences
        assert any(one.figure.startswith("event evd_") for one in found)
        cited = tuple(replace(one, prediction="pred_1") for one in bundle.outcomes)
        text = replace(bundle, outcomes=cited).canonical_json()
        found = replay_bundle(text, measure_effect).differences
        assert any(one.figure.startswith("claim of") for one in found)
        assert any(one.figure == "minor" for one in found)


class TestDisputes:
    async def test_dispute_lost_by_the_customer_charges_the_frozen_outcome(
        self, pumps: Contract
    ) -> None:
        """Five hits, 1,500.00, of which 300.00 are frozen; then all 1,500.00 are charged."""
        outcomes = await four_hits(pumps)
        outcomes.append(await hit(pumps, "M5", 19))
        settlement = await settled(pumps)
        assert settlement.minor == 1_500_00
        dispute = await pumps.disputes(settlement, outcomes[0])
        assert dispute.frozen == 300_00
        await pumps.answers(dispute)
        await pumps.replies(dispute)
        await pumps.decides(dispute, OPERATOR)
        assert await november_lines(pumps) == 1_500_00
        assert await pumps.firm.story.differences() == ()

    async def test_dispute_won_by_the_customer_removes_the_event_from_the_figures(
        self, pumps: Contract
    ) -> None:
        """Five hits, 1,500.00. Without the disputed event four are left: 1,200.00."""
        outcomes = await four_hits(pumps)
        outcomes.append(await hit(pumps, "M5", 19))
        settlement = await settled(pumps)
        dispute = await pumps.disputes(settlement, outcomes[0])
        await pumps.answers(dispute)
        await pumps.gives_in(dispute, OPERATOR)
        name = ids.format_id("outc", outcomes[0].id)
        (period,) = assess_periods(parse_bundle(settlement.bundle), frozenset({name}))
        assert (period.assessment.events, period.assessment.warnings) == (4, 5)
        assert period.assessment.precision_ppm == 800_000
        assert await november_lines(pumps) == 1_200_00
        assert await pumps.firm.story.differences() == ()

    async def test_reversal_after_the_invoice_credits_what_no_longer_shows_skill(
        self, pumps: Contract
    ) -> None:
        """Four hits paid with 1,200.00. Three are 0.223^3 = 1.1 % by chance: all is credited."""
        outcomes = await four_hits(pumps)
        await settled(pumps)
        assert await november_lines(pumps) == 1_200_00
        await pumps.until(2026, 12, 6)
        await pumps.reverses(outcomes[0])
        (settlement,) = [one for one in await pumps.settlements() if one.micro]
        async with pumps.firm.story.database.transaction() as session:
            shown = await settlement_json(session, settlement)
        assert (shown["invoiced"], shown["credited"]) == ("1200.00", "1200.00")
        assert await pumps.firm.story.differences() == ()


class TestSignedEvents:
    @pytest.mark.parametrize("missing", ["subject", "happened_at"])
    async def test_event_without_a_field_is_refused(self, pumps: Contract, missing: str) -> None:
        said = {"outcome": "W-1", "subject": "M1", "happened_at": "2026-10-15T00:00:00+08:00"}
        del said[missing]
        with pytest.raises(StatementInvalid):
            await pumps.says("event", SYSTEM, said)

    async def test_event_in_the_future_is_refused(self, pumps: Contract) -> None:
        with pytest.raises(EvidenceInvalid, match="future"):
            await event(pumps, "W-1", "M1", 2026, 10, 21)


async def event(of: Contract, key: str, machine: str, *at: int) -> None:
    """A failure that the customer's system signs, predicted or not."""
    said = {"outcome": key, "subject": machine, "happened_at": of.firm.story.clock.at(*at)}
    await of.says("event", SYSTEM, msgspec.to_builtins(said))


async def november_lines(of: Contract) -> int:
    """What November's invoice charges for outcomes, in minor units."""
    await of.until(2026, 11, 14)
    await of.until(2026, 12, 1, 1)
    november = (await of.firm.invoices())[-1]
    lines = await of.outcome_lines(november)
    return sum(round(float(amount.replace(",", "")) * 100) for *_, amount in lines)
