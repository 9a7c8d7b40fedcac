"""Claims: what qualifies, what is kept as refused and why, and who confirms."""

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


class TestCalls:
    async def test_found_by_tags(self, spindles: Contract) -> None:
        """Of one too late, one too early, one of another machine, one in time: the last."""
        for hour in (11, 6):
            await spindles.use("M1", 2026, 10, 11, hour)
        await spindles.use("M1", 2026, 10, 4, 11)
        await spindles.use("M2", 2026, 10, 11, 6)
        outcome = await spindles.claims("W-1", "M1", *FAILURE)
        assert (outcome.refused_for, outcome.confirmed_at) == (None, None)
        assert await calls(spindles, outcome) == 1

    async def test_named(self, spindles: Contract) -> None:
        """Named calls need no tags, but may not say another machine; foreign ones are none."""
        story, at = spindles.firm.story, spindles.firm.story.clock.at(2026, 10, 11, 6)
        plain = await spindles.firm.use("vib", at, rows=1)
        other = await spindles.use("M2", 2026, 10, 11, 6)
        foreign = await (await story.firm("Other")).use("vib", at, rows=1)
        named = [plain, other, foreign]
        outcome = await spindles.claims("W-1", "M1", *FAILURE, calls=named)
        assert (outcome.refused_for, await calls(spindles, outcome)) == (None, 1)

    async def test_none(self, spindles: Contract) -> None:
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

    async def test_a_call_serves_one_outcome(self, spindles: Contract) -> None:
        """The call of the 11th is in the window of a failure on the 15th, too."""
        call = await spindles.use("M1", 2026, 10, 11, 6)
        await spindles.claims("W-1", "M1", *FAILURE)
        by_tags = await spindles.claims("W-2", "M1", 2026, 10, 15)
        named = await spindles.claims("W-3", "M1", 2026, 10, 15, calls=[call])
        assert (by_tags.refused_for, named.refused_for) == ("no_call", "call_taken")

    async def test_of_many_the_last(self, spindles: Contract) -> None:
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
    async def test_another_models_call_tagged_with_the_subject_supports_no_claim(
        self, spindles: Contract, model: str, operation: str, units: dict[str, int]
    ) -> None:
        """The contract covers rows of `vib`, so predictions of `vib` are what it requires."""
        call = await spindles.use(
            "M1", 2026, 10, 11, 6, model=model, operation=operation, units=units
        )
        tagged = await spindles.claims("W-1", "M1", *FAILURE)
        named = await spindles.claims("W-2", "M1", *FAILURE, calls=[call])
        assert (tagged.refused_for, named.refused_for) == ("call_not_eligible",) * 2
        assert await calls(spindles, named) == 0

    async def test_an_eligible_call_beside_others_supports_the_claim(
        self, spindles: Contract
    ) -> None:
        """More later calls than an outcome keeps do not push the eligible one out."""
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

    async def test_a_declared_attribution_takes_the_place_of_the_default(
        self, story: Story
    ) -> None:
        named = AttributionRules(("llm",), ("chat",))
        spindles = await contract(await story.firm(), attribution=named)
        story.clock.set(2026, 10, 20)
        await spindles.use("M1", 2026, 10, 11, 6)
        refused = await spindles.claims("W-1", "M1", *FAILURE)
        await spindles.use("M1", 2026, 10, 11, 7, model="llm", units={"input_tokens": 1})
        accepted = await spindles.claims("W-2", "M1", *FAILURE)
        assert (refused.refused_for, accepted.refused_for) == ("call_not_eligible", None)

    async def test_a_contract_that_covers_nothing_takes_any_specialists_prediction(
        self, story: Story
    ) -> None:
        spindles = await contract(await story.firm(), covered=())
        story.clock.set(2026, 10, 20)
        await spindles.use("M1", 2026, 10, 11, 6, model="llm", units={"input_tokens": 1})
        refused = await spindles.claims("W-1", "M1", *FAILURE)
        await spindles.use("M1", 2026, 10, 11, 7, model="eye", units={"images": 1})
        accepted = await spindles.claims("W-2", "M1", *FAILURE)
        assert (refused.refused_for, accepted.refused_for) == ("call_not_eligible", None)

    async def test_the_refusal_names_what_the_contract_requires(self, spindles: Contract) -> None:
        await spindles.use("M1", 2026, 10, 11, 6, model="llm", units={"input_tokens": 1})
        outcome = await spindles.claims("W-1", "M1", *FAILURE)
        absent = await spindles.claims("W-2", "M2", *FAILURE)
        async with spindles.firm.story.database.transaction() as session:
            page = await outcomes_page(session, spindles.firm.account.id, 10)
            shown = await outcome_json(session, outcome)
        said = "The contract requires a call of vib, made by predictions or infer."
        assert [one["refusal_message"] for one in page] == [None, said]
        assert (page[0]["business_key"], shown["refusal_message"]) == (absent.business_key, said)


class TestRefused:
    async def test_one_a_subject(self, spindles: Contract) -> None:
        """Within 72 hours it is the same failure; of another machine it is not, nor later."""
        for day in (11, 13, 15):
            await spindles.use("M1", 2026, 10, day, 6)
        await spindles.use("M2", 2026, 10, 11, 6)
        days = [("M1", 11), ("M1", 13), ("M1", 15), ("M2", 11)]
        found = [
            (await spindles.claims(f"W-{at}", machine, 2026, 10, day, 12)).refused_for
            for at, (machine, day) in enumerate(days)
        ]
        assert found == [None, "doubled", None, None]

    async def test_two_contracts(self, spindles: Contract) -> None:
        """The other contract asks for no time between, but this one does."""
        bearings = await contract(spindles.firm, tag="bearings", kind=EventEffect(2, 168, 0))
        await spindles.use("M1", 2026, 10, 11, 6)
        await bearings.use("M1", 2026, 10, 11, 7)
        await spindles.claims("W-1", "M1", *FAILURE)
        assert (await bearings.claims("B-1", "M1", 2026, 10, 11, 14)).refused_for == (
            "claimed_elsewhere"
        )

    async def test_what_was_reversed_is_not_in_the_way(self, spindles: Contract) -> None:
        first = await spindles.is_confirmed("W-1", "M1", *FAILURE)
        await spindles.reverses(first)
        again = await spindles.is_confirmed("W-2", "M1", 2026, 10, 11, 20)
        assert again.refused_for is None
        with pytest.raises(OutcomeStateInvalid):
            await spindles.confirms(first)

    @pytest.mark.parametrize("day", [5, 16])
    async def test_before_the_start_or_after_the_end(self, story: Story, day: int) -> None:
        """In force from the 7th to the 15th."""
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

    async def test_denied(self, spindles: Contract) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        outcome = await spindles.denies(await spindles.claims("W-1", "M1", *FAILURE))
        assert outcome.refused_for == "denied"
        with pytest.raises(OutcomeStateInvalid, match="refused"):
            await spindles.confirms(outcome)
        sure = await spindles.is_confirmed("W-2", "M2", *FAILURE)
        with pytest.raises(OutcomeStateInvalid, match="confirmed"):
            await spindles.denies(sure)


class TestOnce:
    async def test_the_same_again(self, spindles: Contract) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        first = await spindles.claims("W-1", "M1", *FAILURE)
        assert (await spindles.claims_by(first.evidence_id)).id == first.id

    async def test_the_key_for_something_else(self, spindles: Contract) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        await spindles.claims("W-1", "M1", *FAILURE)
        with pytest.raises(BusinessKeyConflict):
            await spindles.claims("W-1", "M1", 2026, 10, 12)


class TestConfirming:
    async def test_an_accepted_claim_confirms_itself(self, spindles: Contract) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        outcome = await spindles.claims("W-1", "M1", *FAILURE, by=SYSTEM)
        assert (outcome.attested_by, outcome.confirmation_id) == (SYSTEM, outcome.evidence_id)

    async def test_ours_never_does(self, story: Story) -> None:
        spindles = await contract(await story.firm(), attesters=(OURS,))
        story.clock.set(2026, 10, 20)
        await spindles.use("M1", 2026, 10, 11, 6)
        outcome = await spindles.claims("W-1", "M1", *FAILURE)
        assert outcome.confirmed_at is None
        with pytest.raises(AttesterNotAccepted):
            await spindles.confirms(outcome, OURS)

    async def test_the_first_stays(self, spindles: Contract) -> None:
        outcome = await spindles.is_confirmed("W-1", "M1", *FAILURE)
        again = await spindles.confirms(outcome, AttesterKind.SIGN_OFF)
        assert again.attested_by == SYSTEM

    async def test_who_is_not_accepted(self, spindles: Contract) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        outcome = await spindles.claims("W-1", "M1", *FAILURE)
        with pytest.raises(AttesterNotAccepted):
            await spindles.confirms(outcome, AttesterKind.NEUTRAL_SENSOR)

    async def test_silence(self, story: Story) -> None:
        """Claimed on the 20th; with seven days of silence it counts on the 27th."""
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

    async def test_without_the_words_it_never_counts(self, spindles: Contract) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        await spindles.claims("W-1", "M1", *FAILURE)
        await spindles.until(2026, 11, 4)
        assert [one.minor for one in await spindles.settlements()] == [0]


class TestBadInput:
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
    async def test_texts_that_claim_nothing(self, spindles: Contract, said: Any) -> None:
        evidence = await spindles.says("claim", SYSTEM, said)
        with pytest.raises(StatementInvalid):
            await spindles.claims_by(evidence)

    async def test_evidence_of_another_kind_or_outcome(self, spindles: Contract) -> None:
        await spindles.use("M1", 2026, 10, 11, 6)
        outcome = await spindles.claims("W-1", "M1", *FAILURE)
        said = await spindles.says("confirmation", SYSTEM, {"outcome": "W-1"})
        with pytest.raises(StatementInvalid, match="not a claim"):
            await spindles.claims_by(said)
        other = await spindles.is_confirmed("W-9", "M9", *FAILURE)
        outcome.id = other.id
        with pytest.raises(StatementInvalid, match="another outcome"):
            await spindles.reverses(outcome)

    async def test_what_is_still_to_come(self, spindles: Contract) -> None:
        with pytest.raises(OutcomeInvalid):
            await spindles.claims("W-1", "M1", 2026, 10, 21)

    async def test_nothing_there(self, spindles: Contract) -> None:
        with pytest.raises(StatementNotFound):
            await spindles.claims_by(ids.new_id())
        async with spindles.firm.story.database.transaction() as session:
            with pytest.raises(OutcomeNotFound):
                await get_outcome(session, spindles.firm.account.id, ids.new_id())

    async def test_another_firms(self, spindles: Contract) -> None:
        """A contract, an outcome and evidence are their own firm's only."""
        outcome = await spindles.is_confirmed("W-1", "M1", *FAILURE)
        other = await spindles.firm.story.firm("Other")
        theirs = Contract(other, spindles.row)
        with pytest.raises(ContractNotFound):
            await theirs.claims_by(outcome.evidence_id)
        own = await contract(other)
        with pytest.raises(StatementNotFound):
            await own.claims_by(outcome.evidence_id)

    async def test_nothing_agreed(self, story: Story) -> None:
        made = await proposed(await story.firm(), "spindles")
        await made.agrees(terms(made.firm), both=False)
        story.clock.set(2026, 10, 20)
        with pytest.raises(OutcomeContractNotAgreed):
            await made.claims("W-1", "M1", *FAILURE)
        await made.settles()
        assert await made.settlements() == []

    async def test_a_measured_effect_is_not_claimed(self, story: Story) -> None:
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

    async def test_too_late_to_reverse(self, spindles: Contract) -> None:
        outcome = await spindles.is_confirmed("W-1", "M1", *FAILURE)
        spindles.firm.story.clock.set(2026, 10, 11, 12)
        spindles.firm.story.clock.pass_(days=90, seconds=1)
        with pytest.raises(OutcomeStateInvalid, match="90 days"):
            await spindles.reverses(outcome)
