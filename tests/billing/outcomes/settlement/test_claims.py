"""Claims: which qualify, which are stored as refused and why, and who confirms them."""

from typing import Any

import pytest

from billing.outcomes.contracts.attribution import MAX_CALLS
from billing.outcomes.contracts.contracts import ContractNotFound
from billing.outcomes.contracts.supporting_calls import AttributionRules
from billing.outcomes.contracts.terms import (
    AttesterKind,
    BaselineGateTerms,
    ContractDeadlines,
    EventEffect,
    ImprovementDirection,
    MeasuredEffect,
    MeasurementDesign,
    SavingsShare,
)
from billing.outcomes.contracts.versions import OutcomeContractNotAgreed
from billing.outcomes.evidence.statements import StatementInvalid, StatementNotFound
from billing.outcomes.settlement.attributed_calls import list_attributed_calls
from billing.outcomes.settlement.claims import (
    AttesterNotAccepted,
    BusinessKeyConflict,
    OutcomeInvalid,
    OutcomeNotFound,
    OutcomeStateInvalid,
    get_outcome,
)
from billing.outcomes.settlement.views import outcome_json, outcomes_page
from billing.tables import Outcome, Settlement
from infra import ids
from tests.support.outcomes.deals import FIT
from tests.support.stories.outcome_story import Contract, contract, proposed, terms
from tests.support.stories.story import Story

SYSTEM, OURS = AttesterKind.CUSTOMER_SYSTEM, AttesterKind.OUR_MODEL
FAILURE = (2026, 10, 11, 12)


@pytest.fixture
async def spindles(story: Story) -> Contract:
    """The usual contract, on the 20th of October."""
    made = await contract(await story.firm())
    story.clock.set(2026, 10, 20)
    return made


async def calls(of: Contract, outcome: Outcome) -> int:
    async with of.firm.story.database.transaction() as session:
        return len(
            (await list_attributed_calls(session, of.firm.account.id, [outcome.id]))[outcome.id]
        )


class TestAttributedCalls:
    async def test_tagged_call_within_the_window_is_attributed(self, spindles: Contract) -> None:
        """Of calls that are too late, too early, of another machine or in time, the last one
        counts."""
        for hour in (11, 6):
            await spindles.use("M1", 2026, 10, 11, hour)
        await spindles.use("M1", 2026, 10, 4, 11)
        await spindles.use("M2", 2026, 10, 11, 6)
        outcome = await spindles.claims("W-1", "M1", *FAILURE)
        assert (outcome.refused_for, outcome.confirmed_at) == (None, None)
        assert await calls(spindles, outcome) == 1

    async def test_named_call_needs_no_tags_but_the_same_account(self, spindles: Contract) -> None:
        """A named call needs no tags, but another machine's tag or another account excludes it."""
        story, at = spindles.firm.story, spindles.firm.story.clock.at(2026, 10, 11, 6)
        plain = await spindles.firm.use("vib", at, rows=1)
        other = await spindles.use("M2", 2026, 10, 11, 6)
        foreign = await (await story.firm("Other")).use("vib", at, rows=1)
        named = [plain, other, foreign]
        outcome = await spindles.claims("W-1", "M1", *FAILURE, calls=named)
        assert (outcome.refused_for, await calls(spindles, outcome)) == (None, 1)

    async def test_claim_without_a_successful_call_is_refused(self, spindles: Contract) -> None:
        failed = await spindles.firm.use(
            "vib",
            spindles.firm.story.clock.at(2026, 10, 11, 6),
            {"machine": "M1", "contract": "spindles"},
            Settlement.PLATFORM_FAULT,
            rows=1,
        )
        assert (await spindles.claims("W-1", "M1", *FAILURE)).refused_for == "no_call"
        named = await spindles.claims("W-2", "M1", *FAILURE, calls=[failed])
        assert named.refused_for == "no_call"
        assert (await spindles.claims("W-3", "M1", *FAILURE, calls=[])).refused_for == "no_call"

    async def test_call_supports_only_one_outcome(self, spindles: Contract) -> None:
        """The call of the 11th is also in the window of a failure on the 15th."""
        call = await spindles.use("M1", 2026, 10, 11, 6)
        await spindles.claims("W-1", "M1", *FAILURE)
        by_tags = await spindles.claims("W-2", "M1", 2026, 10, 15)
        named = await spindles.claims("W-3", "M1", 2026, 10, 15, calls=[call])
        assert (by_tags.refused_for, named.refused_for) == ("no_call", "call_taken")

    async def test_only_the_latest_calls_are_attributed(self, spindles: Contract) -> None:
        for minute in range(MAX_CALLS + 1):
            await spindles.use("M1", 2026, 10, 11, 6, minute % 60, minute // 60)
        outcome = await spindles.claims("W-1", "M1", *FAILURE)
        assert await calls(spindles, outcome) == MAX_CALLS


class TestEligibleCalls:
    """Only a call of a model and operation that the contract names supports a claim."""

    @pytest.mark.parametrize(
        ("model", "operation", "units"),
        [
            ("llm", "embeddings", {"input_tokens": 5}),
            ("llm", "chat", {"input_tokens": 5, "output_tokens": 5}),
            ("eye", "predictions", {"images": 1}),
            ("vib", "adaptation", {"rows": 1}),
        ],
    )
    async def test_other_model_or_operation_supports_no_claim(
        self, spindles: Contract, model: str, operation: str, units: dict[str, int]
    ) -> None:
        """The contract covers rows of `vib`, so it requires predictions of `vib`."""
        call = await spindles.use(
            "M1", 2026, 10, 11, 6, model=model, operation=operation, units=units
        )
        tagged = await spindles.claims("W-1", "M1", *FAILURE)
        named = await spindles.claims("W-2", "M1", *FAILURE, calls=[call])
        assert (tagged.refused_for, named.refused_for) == ("call_not_eligible",) * 2
        assert await calls(spindles, named) == 0

    async def test_eligible_call_among_ineligible_ones_supports_the_claim(
        self, spindles: Contract
    ) -> None:
        """More later calls than an outcome stores do not displace the eligible one."""
        right = await spindles.use("M1", 2026, 10, 11, 5)
        for minute in range(MAX_CALLS):
            await spindles.use(
                "M1", 2026, 10, 11, 6, minute % 60, minute // 60,
                model="llm", units={"input_tokens": 1},
            )  # fmt: skip
        outcome = await spindles.claims("W-1", "M1", *FAILURE)
        assert (outcome.refused_for, await calls(spindles, outcome)) == (None, 1)
        async with spindles.firm.story.database.transaction() as session:
            kept = await list_attributed_calls(session, spindles.firm.account.id, [outcome.id])
        assert [one.request_id for one in kept[outcome.id]] == [right.request_id]

    async def test_contract_attribution_rules_replace_the_default(self, story: Story) -> None:
        named = AttributionRules(("llm",), ("chat",))
        spindles = await contract(await story.firm(), attribution=named)
        story.clock.set(2026, 10, 20)
        await spindles.use("M1", 2026, 10, 11, 6)
        refused = await spindles.claims("W-1", "M1", *FAILURE)
        await spindles.use("M1", 2026, 10, 11, 7, model="llm", units={"input_tokens": 1})
        accepted = await spindles.claims("W-2", "M1", *FAILURE)
        assert (refused.refused_for, accepted.refused_for) == ("call_not_eligible", None)

    async def test_contract_without_allowances_accepts_predictions_of_any_specialist(
        self, story: Story
    ) -> None:
        spindles = await contract(await story.firm(), covered=())
        story.clock.set(2026, 10, 20)
        await spindles.use("M1", 2026, 10, 11, 6, model="llm", units={"input_tokens": 1})
        refused = await spindles.claims("W-1", "M1", *FAILURE)
        await spindles.use("M1", 2026, 10, 11, 7, model="eye", units={"images": 1})
        accepted = await spindles.claims("W-2", "M1", *FAILURE)
        assert (refused.refused_for, accepted.refused_for) == ("call_not_eligible", None)

    async def test_refusal_message_names_the_required_model_and_operations(
        self, spindles: Contract
    ) -> None:
        await spindles.use("M1", 2026, 10, 11, 6, model="llm", units={"input_tokens": 1})
        outcome = await spindles.claims("W-1", "M1", *FAILURE)
        absent = await spindles.claims("W-2", "M2", *FAILURE)
        async with spindles.firm.story.database.transaction() as session:
            page = await outcomes_page(session, spindles.firm.account.id, 10)
            shown = await outcome_json(session, outcome)
        said = "The contract requires a call of vib, made by predictions or infer."
        assert [one["refusal_message"] for one in page] == [None, said]
        assert (page[0]["business_key"], shown["refusal_message"]) == (absent.business_key, said)


class TestClaimRefusal:
    async def test_second_failure_within_72_hours_is_refused(self, spindles: Contract) -> None:
        """Within 72 hours it is the same failure; later, or on another machine, it is not."""
        for day in (11, 13, 15):
            await spindles.use("M1", 2026, 10, day, 6)
        await spindles.use("M2", 2026, 10, 11, 6)
        days = [("M1", 11), ("M1", 13), ("M1", 15), ("M2", 11)]
        found = [
            (await spindles.claims(f"W-{at}", machine, 2026, 10, day, 12)).refused_for
            for at, (machine, day) in enumerate(days)
        ]
        assert found == [None, "doubled", None, None]

    async def test_failure_of_another_contract_is_refused(self, spindles: Contract) -> None:
        """The second contract requires no minimum interval between failures, but the first one
        does."""
        bearings = await contract(spindles.firm, tag="bearings", kind=EventEffect(2, 168, 0))
        await spindles.use("M1", 2026, 10, 11, 6)
        await bearings.use("M1", 2026, 10, 11, 7)
        await spindles.claims("W-1", "M1", *FAILURE)
        assert (await bearings.claims("B-1", "M1", 2026, 10, 11, 14)).refused_for == (
            "claimed_elsewhere"
        )

    async def test_reversed_outcome_does_not_block_a_new_claim(self, spindles: Contract) -> None:
        first = await spindles.is_confirmed("W-1", "M1", *FAILURE)
        await spindles.reverses(first)
        again = await spindles.is_confirmed("W-2", "M1", 2026, 10, 11, 20)
        assert again.refused_for is None
        with pytest.raises(OutcomeStateInvalid):
            await spindles.confirms(first)

    @pytest.mark.parametrize("day", [5, 16])
    async def test_failure_outside_the_contract_term_is_refused(
        self, story: Story, day: int
    ) -> None:
        """In force from 7 to 15 October."""
        clock = story.clock
        spindles = await contract(
            await story.firm(), starts_at=clock.at(2026, 10, 7), ends_at=clock.at(2026, 10, 15)
        )
        story.clock.set(2026, 10, 20)
        await spindles.use("M1", 2026, 10, day, 6)
        outcome = await spindles.claims("W-1", "M1", 2026, 10, day, 12, by=SYSTEM)
        assert (outcome.refused_for, outcome.confirmed_at) == ("not_in_force", None)
        with pytest.raises(OutcomeStateInvalid):
            await spindles.reverses(outcome)

    async def test_denied_claim_is_refused_and_cannot_be_confirmed(
        self, spindles: Contract
    ) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        outcome = await spindles.denies(await spindles.claims("W-1", "M1", *FAILURE))
        assert outcome.refused_for == "denied"
        with pytest.raises(OutcomeStateInvalid, match="refused"):
            await spindles.confirms(outcome)
        sure = await spindles.is_confirmed("W-2", "M2", *FAILURE)
        with pytest.raises(OutcomeStateInvalid, match="confirmed"):
            await spindles.denies(sure)


class TestClaimIdempotency:
    async def test_repeated_claim_returns_the_same_outcome(self, spindles: Contract) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        first = await spindles.claims("W-1", "M1", *FAILURE)
        assert (await spindles.claims_by(first.evidence_id)).id == first.id

    async def test_business_key_of_another_claim_raises_conflict(self, spindles: Contract) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        await spindles.claims("W-1", "M1", *FAILURE)
        with pytest.raises(BusinessKeyConflict):
            await spindles.claims("W-1", "M1", 2026, 10, 12)


class TestClaimConfirmation:
    async def test_claim_by_an_accepted_attester_is_confirmed_immediately(
        self, spindles: Contract
    ) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        outcome = await spindles.claims("W-1", "M1", *FAILURE, by=SYSTEM)
        assert (outcome.attested_by, outcome.confirmation_id) == (SYSTEM, outcome.evidence_id)

    async def test_second_confirmation_keeps_the_first_attester(self, spindles: Contract) -> None:
        outcome = await spindles.is_confirmed("W-1", "M1", *FAILURE)
        again = await spindles.confirms(outcome, AttesterKind.SIGN_OFF)
        assert again.attested_by == SYSTEM

    async def test_attester_kind_outside_the_contract_is_rejected(self, spindles: Contract) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        outcome = await spindles.claims("W-1", "M1", *FAILURE)
        with pytest.raises(AttesterNotAccepted):
            await spindles.confirms(outcome, AttesterKind.NEUTRAL_SENSOR)

    async def test_claim_without_objection_is_confirmed_after_the_silence_period(
        self, story: Story
    ) -> None:
        """Claimed on the 20th; with a silence period of seven days it is confirmed on the 27th."""
        words = "Not objected to within 7 days it counts."
        silent = ContractDeadlines(10, 5, 90, 7, words)
        spindles = await contract(await story.firm(), deadlines=silent)
        story.clock.set(2026, 10, 20)
        await spindles.use("M1", 2026, 10, 11, 6)
        await spindles.claims("W-1", "M1", *FAILURE)
        await spindles.until(2026, 11, 4)
        (settled,) = await spindles.settlements()
        assert '"attested_by":"silence"' in settled.bundle
        assert settled.minor == 300_00

    async def test_unconfirmed_claim_without_a_silence_clause_is_not_billed(
        self, spindles: Contract
    ) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        await spindles.claims("W-1", "M1", *FAILURE)
        await spindles.until(2026, 11, 4)
        assert [one.minor for one in await spindles.settlements()] == [0]


class TestClaimValidation:
    @pytest.mark.parametrize(
        "said",
        [
            '{"outcome": "\\ud800"}',
            "{}",
            {"outcome": ""},
            {"outcome": "W-1"},
            {"outcome": "W-1", "subject": "M1"},
            {"outcome": "W-1", "subject": "M1", "happened_at": "soon"},
            {"outcome": "W-1", "subject": "M1", "happened_at": "2026-10-11"},
            {"outcome": "W-1", "subject": "M1", "happened_at": "2026-10-11T12:00Z", "calls": "x"},
            {"outcome": "W-1", "subject": "M1", "happened_at": "2026-10-11T12:00Z", "calls": ["x"]},
        ],
    )
    async def test_invalid_claim_text_is_rejected(self, spindles: Contract, said: Any) -> None:
        evidence = await spindles.says("claim", SYSTEM, said)
        with pytest.raises(StatementInvalid):
            await spindles.claims_by(evidence)

    async def test_evidence_of_another_kind_or_outcome_is_rejected(
        self, spindles: Contract
    ) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        outcome = await spindles.claims("W-1", "M1", *FAILURE)
        said = await spindles.says("confirmation", SYSTEM, {"outcome": "W-1"})
        with pytest.raises(StatementInvalid, match="a claim is needed"):
            await spindles.claims_by(said)
        other = await spindles.is_confirmed("W-9", "M9", *FAILURE)
        outcome.id = other.id
        with pytest.raises(StatementInvalid, match="another outcome"):
            await spindles.reverses(outcome)

    async def test_claim_of_a_future_failure_is_rejected(self, spindles: Contract) -> None:
        with pytest.raises(OutcomeInvalid):
            await spindles.claims("W-1", "M1", 2026, 10, 21)

    async def test_unknown_evidence_or_outcome_id_raises_not_found(
        self, spindles: Contract
    ) -> None:
        with pytest.raises(StatementNotFound):
            await spindles.claims_by(ids.new_id())
        async with spindles.firm.story.database.transaction() as session:
            with pytest.raises(OutcomeNotFound):
                await get_outcome(session, spindles.firm.account.id, ids.new_id())

    async def test_contract_and_evidence_of_another_account_are_not_found(
        self, spindles: Contract
    ) -> None:
        """Contracts, outcomes and evidence are visible to their own account only."""
        outcome = await spindles.is_confirmed("W-1", "M1", *FAILURE)
        other = await spindles.firm.story.firm("Other")
        theirs = Contract(other, spindles.row)
        with pytest.raises(ContractNotFound):
            await theirs.claims_by(outcome.evidence_id)
        own = await contract(other)
        with pytest.raises(StatementNotFound):
            await own.claims_by(outcome.evidence_id)

    async def test_contract_not_agreed_by_both_parties_accepts_no_claim(self, story: Story) -> None:
        made = await proposed(await story.firm(), "spindles")
        await made.agrees(terms(made.firm), both=False)
        story.clock.set(2026, 10, 20)
        with pytest.raises(OutcomeContractNotAgreed):
            await made.claims("W-1", "M1", *FAILURE)
        await made.settles()
        assert await made.settlements() == []

    async def test_claim_under_a_measured_effect_contract_is_rejected(self, story: Story) -> None:
        gates = BaselineGateTerms(300_000, 100_000, 100_000, 30)
        kind = MeasuredEffect(
            "kg", ImprovementDirection.LESS, MeasurementDesign.BASELINE, (), 900_000, gates, looks=3
        )
        scrap = await proposed(await story.firm(), "spindles")
        scrap.baseline = FIT
        await scrap.agrees(
            terms(
                scrap.firm,
                kind=kind,
                price=SavingsShare(300_000, 10**9),
                ends_at=story.clock.at(2027, 1, 1),
            )
        )
        story.clock.set(2026, 10, 20)
        with pytest.raises(OutcomeInvalid, match="measured"):
            await scrap.claims("W-1", "M1", *FAILURE)

    async def test_reversal_after_90_days_is_rejected(self, spindles: Contract) -> None:
        outcome = await spindles.is_confirmed("W-1", "M1", *FAILURE)
        spindles.firm.story.clock.set(2026, 10, 11, 12)
        spindles.firm.story.clock.pass_(days=90, seconds=1)
        with pytest.raises(OutcomeStateInvalid, match="90 days"):
            await spindles.reverses(outcome)
