"""`/v1/outcomes…` over a real socket: claims, settlements, evidence bundles and disputes."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from billing.outcomes.settlement.disputes import get_dispute
from infra import ids
from tests.support.builders import PLENTY, Limited
from tests.support.clocks import CalendarClock
from tests.support.gateway.errors import error_of
from tests.support.outcomes.told import Told
from tests.support.stories.outcome_story import contract
from tests.support.stories.story import Firm, Story

GONE = "0" * 32


@pytest.fixture
async def told(limited: Limited) -> AsyncIterator[Told]:
    clock = CalendarClock()
    async with limited(PLENTY, clock=clock) as gateway:
        story = Story(gateway.parts.database)
        story.clock = clock.calendar
        of = await contract(Firm(story, gateway.account, gateway.key.row.id))
        story.clock.set(2026, 10, 20)
        yield Told(gateway, of)


class TestOutcomes:
    async def test_claim_is_confirmed_and_then_reversed(self, told: Told) -> None:
        outcome = await told.claimed("W-1", "M1")
        assert (outcome["status"], outcome["contract"]) == ("claimed", "spindles")
        place = f"/{outcome['id']}"
        said = await told.says("confirmation", {"outcome": "W-1"})
        confirmed = await told.post(f"{place}/confirm", evidence=said)
        assert (confirmed["status"], confirmed["attested_by"]) == ("confirmed", "customer_system")
        assert await told.get(place) == confirmed
        back = await told.says("reversal", {"outcome": "W-1", "again": True})
        assert (await told.post(f"{place}/reverse", evidence=back))["status"] == "reversed"

    async def test_denied_claim_is_refused(self, told: Told) -> None:
        outcome = await told.claimed("W-1", "M1")
        said = await told.says("denial", {"outcome": "W-1"})
        denied = await told.post(f"/{outcome['id']}/deny", evidence=said)
        assert (denied["status"], denied["refused_for"]) == ("refused", "denied")

    async def test_repeated_idempotency_key_replays_the_confirmation(self, told: Told) -> None:
        outcome = await told.claimed("W-1", "M1")
        said = await told.says("confirmation", {"outcome": "W-1"})
        first = await told.post(f"/{outcome['id']}/confirm", key="k-1", evidence=said)
        assert await told.post(f"/{outcome['id']}/confirm", key="k-1", evidence=said) == first

    async def test_outcomes_are_paged_newest_first(self, told: Told) -> None:
        for number in range(3):
            await told.claimed(f"W-{number}", f"M{number}")
        first = await told.get("", limit=2)
        assert ([one["business_key"] for one in first["data"]], first["has_more"]) == (
            ["W-2", "W-1"],
            True,
        )
        rest = await told.get("", after=first["data"][-1]["id"])
        assert [one["business_key"] for one in rest["data"]] == ["W-0"]
        answer = await told.gateway.http.get("/v1/outcomes", params={"after": "x"})
        assert (answer.status_code, error_of(answer)["param"]) == (400, "after")

    async def test_unknown_contract_outcome_or_evidence_returns_404(self, told: Told) -> None:
        outcome = await told.claimed("W-1", "M1")
        missing = [
            ("", {"contract": "spindles", "evidence": "x"}, "outcome_statement_not_found"),
            ("", {"contract": "none", "evidence": f"evd_{GONE}"}, "outcome_contract_not_found"),
            (f"/outc_{GONE}/confirm", {"evidence": f"evd_{GONE}"}, "outcome_not_found"),
            ("/x/reverse", {"evidence": f"evd_{GONE}"}, "outcome_not_found"),
            (
                f"/{outcome['id']}/confirm",
                {"evidence": f"evd_{GONE}"},
                "outcome_statement_not_found",
            ),
        ]
        for place, body, code in missing:
            assert await told.refused(place, **body) == (404, code)
        assert await told.refused("", contract="spindles", proof="x") == (400, "invalid_value")


class TestSettlements:
    async def test_settlement_digest_matches_its_evidence_bundle(self, told: Told) -> None:
        settlement = await told.settled()
        assert (settlement["status"], settlement["amount"], settlement["quantity"]) == (
            "open",
            "300.00",
            "1",
        )
        assert settlement["by_attester"] == [
            {"attested_by": "customer_system", "quantity": "1", "amount": "300.00"}
        ]
        place = f"/settlements/{settlement['id']}"
        assert await told.get(place) == settlement
        bundle = await told.gateway.http.get(f"/v1/outcomes{place}/bundle")
        assert hashlib.sha256(bundle.content).hexdigest() == settlement["digest"]
        (outcome,) = (await told.get(""))["data"]
        assert (outcome["status"], outcome["settlement"]) == ("settled", settlement["id"])
        await told.of.until(2026, 11, 14)
        accepted = await told.get(place)
        assert (accepted["status"], accepted["waiting"]) == ("accepted", "300.00")

    @pytest.mark.parametrize("name", ["x", f"oset_{GONE}"])
    async def test_unknown_settlement_returns_404(self, told: Told, name: str) -> None:
        answer = await told.gateway.http.get(f"/v1/outcomes/settlements/{name}")
        assert (answer.status_code, error_of(answer)["code"]) == (
            404,
            "outcome_settlement_not_found",
        )


class TestSettlementDisputes:
    async def test_dispute_passes_from_opening_through_reply_to_decision(self, told: Told) -> None:
        settlement = await told.settled()
        wish = {"settlement": settlement["id"], "reason": "By the calendar.", "by": "Ms Li"}
        dispute = await told.post("/disputes", key="k-1", **wish)
        assert await told.post("/disputes", key="k-1", **wish) == dispute
        assert (dispute["status"], dispute["frozen"], dispute["opened_by"]) == (
            "waits_for_answer",
            "300.00",
            "Ms Li",
        )
        assert dispute["replayed"] == {"amount": "300.00", "quantity": "1", "agrees": True}
        assert (await told.get(f"/settlements/{settlement['id']}"))["status"] == "disputed"
        place = f"/disputes/{dispute['id']}"
        assert await told.refused(f"{place}/reply", reply="No.") == (
            409,
            "outcome_dispute_state_wrong",
        )
        row = await told.of._do(_found, ids.parse_id("odsp", dispute["id"]))
        await told.of.answers(row)
        assert (await told.get(place))["status"] == "waits_for_reply"
        replied = await told.post(f"{place}/reply", reply="It was within limits.")
        assert replied["status"] == "waits_for_decision"
        decided = await told.post(f"{place}/withdraw")
        assert (decided["decided_for"], decided["decided_by"]) == ("operator", "agreement")
        assert await told.get("/disputes") == {
            "object": "list",
            "data": [decided],
            "has_more": False,
        }

    async def test_dispute_without_a_name_is_opened_by_the_api_key(self, told: Told) -> None:
        settlement = await told.settled()
        dispute = await told.post("/disputes", settlement=settlement["id"], reason="Why?")
        assert dispute["opened_by"] == ids.format_id("key", told.gateway.key.row.id)

    async def test_unknown_dispute_or_settlement_returns_404(self, told: Told) -> None:
        answer = await told.gateway.http.get("/v1/outcomes/disputes/x")
        assert (answer.status_code, error_of(answer)["code"]) == (404, "outcome_dispute_not_found")
        assert await told.refused("/disputes", settlement="x", reason="x") == (
            404,
            "outcome_settlement_not_found",
        )


async def _found(session: Any, _clock: Any, account_id: Any, dispute_id: Any) -> Any:
    return await get_dispute(session, account_id, dispute_id)
