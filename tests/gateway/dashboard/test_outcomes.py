"""Outcome pages: contracts, settlements and disputes."""

import hashlib
from datetime import date

import pytest

from billing.outcomes.contracts.contracts import propose_version, version_hash
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.settlement.disputes import get_dispute
from billing.tables import OutcomeSettlement
from gateway.access.price_book import catalog_price_terms
from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from infra import ids
from tests.gateway.dashboard.addresses import CONTRACTS, SETTLEMENTS
from tests.gateway.dashboard.crawling import OUTCOMES, answers, routes
from tests.support.builders import CATALOG
from tests.support.dashboard.firm import Seen
from tests.support.dashboard.looking import looker, words
from tests.support.outcomes.castings import written
from tests.support.outcomes.scrap_contract import OCTOBER, scrap_contract
from tests.support.stories.outcome_story import terms


async def measured(seen: Seen) -> OutcomeSettlement:
    """The October settlement of a contract on scrap reduction."""
    scrap = await scrap_contract(seen.told.of.firm)
    scrap.firm.story.clock.set(2026, 11, 2)
    await scrap.says("readings", AttesterKind.NEUTRAL_SENSOR, written(OCTOBER))
    await scrap.until(2026, 11, 4)
    found = [one for one in await scrap.settlements() if one.contract_id == scrap.row.id]
    return found[0]


async def actions(seen: Seen) -> list[str]:
    gateway = seen.told.gateway
    async with gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, gateway.account.id)
        return [one.action for one in entries if one.action != "key.created"]


class TestOutcomeContracts:
    async def test_list_has_only_contracts_of_the_account(self, seen: Seen) -> None:
        async with seen.owner() as owner, seen.stranger() as stranger:
            said = words(await owner.page("/dashboard/outcomes"))
            assert "Early warning spindles In force" in said
            assert "No contracts yet" in words(await stranger.page("/dashboard/outcomes"))

    async def test_event_contract_shows_price_eligible_calls_and_outcomes(self, seen: Seen) -> None:
        await seen.told.claimed("W-1", "M1", by="customer_system")
        await seen.told.claimed("W-2", "M1", by="customer_system")
        async with seen.owner() as owner:
            said = words(await owner.page(f"{CONTRACTS}/spindles"))
            assert "CN¥300.00 per outcome" in said
            assert "Eligible calls vib · predictions, infer" in said
            assert "M1 W-1 Confirmed" in said
            assert "Too close in time to another outcome for the same subject." in said
            assert "No settlements yet" in said

    async def test_agreement_requires_the_hash_of_the_version_shown(self, seen: Seen) -> None:
        gateway, firm = seen.told.gateway, seen.told.of.firm
        starts = firm.story.clock.at(2026, 12, 1)
        wanted = terms(firm, tag="bearings", starts_at=starts, covered=())
        async with gateway.parts.database.transaction() as session:
            listed = catalog_price_terms(CATALOG, "CNY")
            place = session, firm.story.clock, gateway.account.id
            version = await propose_version(*place, wanted, Party(Side.OPERATOR, "Li Na"), listed)
        async with seen.owner() as owner:
            page = await owner.page(f"{CONTRACTS}/bearings")
            assert version_hash(version) in page
            address = f"{CONTRACTS}/bearings/agree"
            for wrong in ({}, {"version": "1", "hash": "x"}, {"version": "9", "hash": "x"}):
                answer = await owner.send(address, **wrong)
                assert answer.status_code in (404, 422)
            for _ in range(2):
                answer = await owner.send(address, version=1, hash=version_hash(version))
                assert answer.status_code == 303
            page = await owner.page(answer.headers["location"])
            assert "@acme.example" in words(page)
            assert "Agree to version" not in page
            assert (await actions(seen))[0] == "outcome.agreed"


class TestOutcomeSettlements:
    async def test_page_shows_amount_attester_and_bundle_digest(self, seen: Seen) -> None:
        settlement = await seen.told.settled()
        async with seen.owner() as owner:
            said = words(await owner.page(f"{SETTLEMENTS}/{settlement['id']}"))
            assert "Customer's system 1 CN¥300.00" in said
            assert "Open to dispute" in said
            assert settlement["digest"] in said
            assert "CN¥300.00" in words(await owner.page(f"{CONTRACTS}/spindles"))

    async def test_downloaded_evidence_bundle_matches_its_digest(self, seen: Seen) -> None:
        settlement = await seen.told.settled()
        async with seen.owner() as owner:
            answer = await owner.http.get(f"{SETTLEMENTS}/{settlement['id']}/bundle.json")
            assert hashlib.sha256(answer.content).hexdigest() == settlement["digest"]
            assert "attachment" in answer.headers["content-disposition"]

    @pytest.mark.parametrize("name", ["x", f"oset_{'0' * 32}"])
    async def test_unknown_settlement_returns_404(self, seen: Seen, name: str) -> None:
        async with seen.owner() as owner:
            await owner.page(f"{SETTLEMENTS}/{name}", 404)
            await owner.page(f"{SETTLEMENTS}/{name}/bundle.json", 404)


class TestOutcomeDisputes:
    async def test_dispute_is_opened_replied_to_and_withdrawn(self, seen: Seen) -> None:
        settlement = await seen.told.settled()
        address = f"{SETTLEMENTS}/{settlement['id']}"
        async with seen.owner() as owner:
            empty = await owner.send(f"{address}/disputes", reason=" ")
            assert (empty.status_code, "in 1 to 4,000 characters" in empty.text) == (422, True)
            sent = {"reason": "It failed by the calendar.", "outcome": settlement["outcomes"]}
            opened = await owner.send(f"{address}/disputes", **sent)
            assert opened.headers["location"] == f"{address}#disputes"
            again = await owner.send(f"{address}/disputes", **sent)
            assert again.status_code == 422
            said = words(await owner.page(address))
            assert "Awaiting the operator's answer CN¥300.00 frozen" in said
            assert "It failed by the calendar." in words(await owner.page("/dashboard/outcomes"))
            (dispute,) = (await seen.told.get("/disputes"))["data"]
            reply = f"/dashboard/outcomes/disputes/{dispute['id']}"
            early = await owner.send(f"{reply}/reply", reply="No.")
            assert (early.status_code, "the other party's turn" in words(early.text)) == (422, True)
            row = await seen.told.of._do(_found, ids.parse_id("odsp", dispute["id"]))
            await seen.told.of.answers(row)
            assert "Your reply" in await owner.page(address)
            await owner.send(f"{reply}/reply", reply="It was within limits.")
            assert "Awaiting the arbiter" in words(await owner.page(address))
            for _ in range(2):
                answer = await owner.send(f"{reply}/withdraw")
                assert answer.status_code == 303
            assert "Decided for the operator" in words(await owner.page(address))
            wanted = ["dispute.withdrawn", "dispute.replied", "dispute.opened"]
            assert await actions(seen) == wanted

    @pytest.mark.parametrize("name", ["x", f"odsp_{'0' * 32}"])
    async def test_unknown_dispute_returns_404(self, seen: Seen, name: str) -> None:
        async with seen.owner() as owner:
            for what in ("reply", "withdraw"):
                answer = await owner.send(f"/dashboard/outcomes/disputes/{name}/{what}")
                assert answer.status_code == 404


class TestOutcomeAccess:
    async def test_pages_and_forms_of_another_account_return_404(self, seen: Seen) -> None:
        settlement = await seen.told.settled()
        address = f"{SETTLEMENTS}/{settlement['id']}"
        async with seen.owner() as owner, seen.stranger() as stranger:
            await owner.send(f"{address}/disputes", reason="No.")
            (dispute,) = (await seen.told.get("/disputes"))["data"]
            for page in (f"{CONTRACTS}/spindles", address, f"{address}/bundle.json"):
                await stranger.page(page, 404)
            for form in (
                f"{CONTRACTS}/spindles/agree",
                f"{address}/disputes",
                f"/dashboard/outcomes/disputes/{dispute['id']}/reply",
                f"/dashboard/outcomes/disputes/{dispute['id']}/withdraw",
            ):
                answer = await stranger.send(form, reason="x", reply="x", version=1, hash="x")
                assert answer.status_code == 404

    async def test_all_outcome_routes_with_ids_of_another_account_return_404(
        self, seen: Seen
    ) -> None:
        settlement = await seen.told.settled()
        async with seen.owner() as owner, seen.stranger() as stranger:
            await owner.send(f"{SETTLEMENTS}/{settlement['id']}/disputes", reason="No.")
            (dispute,) = (await seen.told.get("/disputes"))["data"]
            values = {
                "contract": "spindles",
                "settlement": settlement["id"],
                "dispute": dispute["id"],
            }
            crawled = [route for route in routes() if route.names & OUTCOMES]
            assert len(crawled) > 6
            for route in crawled:
                assert await answers(stranger, route, values) == 404, route
                if route.method == "GET":
                    assert await answers(owner, route, values) == 200, route
            assert f"{CONTRACTS}/spindles" not in await stranger.page("/dashboard/outcomes")

    async def test_viewer_and_developer_cannot_agree_or_dispute(self, seen: Seen) -> None:
        gateway = seen.told.gateway
        address = f"{SETTLEMENTS}/{(await seen.told.settled())['id']}"
        for role in (Role.VIEWER, Role.DEVELOPER):
            async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
                assert "Open dispute" not in await one.page(address)
                for form in (f"{address}/disputes", f"{CONTRACTS}/spindles/agree"):
                    assert (await one.send(form, reason="x")).status_code == 403
        role = looker(gateway.url, gateway.parts, gateway.account.id, Role.FINANCE)
        async with role as finance:
            assert (await finance.send(f"{address}/disputes", reason="x")).status_code == 303


class TestMeasuredSaving:
    async def test_contract_page_shows_actual_and_adjusted_baseline_by_day(
        self, seen: Seen
    ) -> None:
        settlement = await measured(seen)
        async with seen.owner() as owner:
            page = await owner.page(f"{CONTRACTS}/scrap")
            assert "Actual and adjusted baseline by day" in page
            assert "Oct 31" in words(page)
            assert "data-chart" in page
            assert "Billable saving" in words(page)
            assert date(2026, 10, 31).isoformat() in settlement.bundle
            said = words(await owner.page(f"{SETTLEMENTS}/{ids.format_id('oset', settlement.id)}"))
            assert "25% of the saving, valued at CN¥42.00 per pcs" in said
            assert "Neutral meter" in said


async def _found(session: object, _clock: object, account_id: object, dispute_id: object) -> object:
    return await get_dispute(session, account_id, dispute_id)  # type: ignore[arg-type]
