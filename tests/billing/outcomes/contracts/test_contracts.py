"""Contracts: either party proposes versions, and the newest agreed version is in force."""

import hashlib
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

import billing.outcomes.contracts.contracts
from billing.outcomes.contracts.contracts import (
    PREFIX,
    ContractNotFound,
    StartsTooSoon,
    find_contract,
    get_version,
    list_contracts,
    version_hash,
)
from billing.outcomes.contracts.terms import OutcomeTermsInvalid
from gateway.access.price_book import catalog_price_terms
from infra import ids
from tests.support.billing.making import sql
from tests.support.builders import CATALOG
from tests.support.outcomes.contract_texts import EVENT, MEASURE
from tests.support.outcomes.deals import CUSTOMER, OPERATOR, Deal
from tests.support.stories.story import Story

TEMPLATES = Path(__file__).parents[4] / "docs" / "outcomes"
DECEMBER = EVENT.replace("2026-11-01", "2026-12-01")


@pytest.mark.parametrize("text", [file.read_text("utf-8") for file in sorted(TEMPLATES.iterdir())])
async def test_contract_template_can_be_proposed(deal: Deal, text: str) -> None:
    deal.listed = catalog_price_terms(CATALOG, "CNY")
    assert (await deal.proposed(text)).number == 1


class TestVersionProposal:
    async def test_either_party_can_propose_a_version(self, deal: Deal) -> None:
        first = await deal.proposed(EVENT, OPERATOR)
        second = await deal.proposed(DECEMBER, CUSTOMER)
        assert (first.number, first.proposed_by) == (1, "operator Li Na")
        assert (second.number, second.proposed_by) == (2, "customer key_1")
        assert second.contract_id == first.contract_id
        assert first.plan_version_id is first.customer_agreed_at is None
        assert get_version(await deal.versions(first), 1).id == first.id

    async def test_version_hash_is_the_sha256_of_the_terms(self, deal: Deal) -> None:
        version = await deal.proposed()
        digest = hashlib.sha256(version.terms.encode()).hexdigest()
        assert (version_hash(version), version.terms_id.hex) == (digest, digest[:32])

    async def test_repeated_proposal_of_the_newest_version_returns_it(self, deal: Deal) -> None:
        first = await deal.proposed()
        assert (await deal.proposed(by=CUSTOMER)).id == first.id
        await deal.proposed(DECEMBER)
        assert (await deal.proposed()).number == 3

    async def test_withdrawn_terms_can_be_proposed_as_a_new_version(self, deal: Deal) -> None:
        first = await deal.proposed()
        await deal.ended(first)
        assert (await deal.proposed()).number == 2

    async def test_start_in_the_past_is_rejected(self, deal: Deal) -> None:
        deal.firm.story.clock.set(2026, 11, 1)
        with pytest.raises(StartsTooSoon, match="starts later") as caught:
            await deal.proposed()
        assert caught.value.param == "starts_at"

    async def test_wrong_number_of_settlements_is_rejected(self, deal: Deal) -> None:
        """Twelve months; a second version also counts the months of the first one."""
        thirteen = MEASURE.replace("[measure]", "[measure]\nlooks = 13")
        with pytest.raises(OutcomeTermsInvalid, match=r"must be 12, not 13") as caught:
            await deal.proposed(thirteen)
        assert caught.value.param == "measure.looks"
        first = await deal.fitted(await deal.proposed(MEASURE))
        for side in (CUSTOMER, OPERATOR):
            await deal.says_yes(first, side)
        later = MEASURE.replace("2026-11-01", "2027-05-01").replace("2027-11-01", "2027-12-01")
        with pytest.raises(OutcomeTermsInvalid, match=r"must be 13, not 7"):
            await deal.proposed(later)
        again = later.replace("[measure]", "[measure]\nlooks = 13")
        assert (await deal.proposed(again)).number == 2

    async def test_versions_and_contracts_over_the_limit_are_rejected(
        self, deal: Deal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(billing.outcomes.contracts.contracts, "_MAX_COUNT", 1)
        await deal.proposed()
        with pytest.raises(OutcomeTermsInvalid, match="maximum of 1 versions"):
            await deal.proposed(DECEMBER)
        with pytest.raises(OutcomeTermsInvalid, match="maximum of 1 contracts"):
            await deal.proposed(MEASURE)

    async def test_currency_other_than_the_account_currency_is_rejected(self, deal: Deal) -> None:
        with pytest.raises(OutcomeTermsInvalid, match="must be CNY") as caught:
            await deal.proposed(EVENT.replace("CNY", "USD"))
        assert caught.value.param == "currency"

    async def test_database_rejects_changes_of_a_proposed_version(self, deal: Deal) -> None:
        await deal.proposed()
        for change in ("update outcome_version set terms = ''", "delete from outcome_version"):
            with pytest.raises(DBAPIError, match=r"stays as it is|never changed"):
                await sql(deal.firm.story.database, change)


class TestContractLookup:
    async def test_contract_is_found_by_id_and_tag(self, deal: Deal) -> None:
        version = await deal.proposed()
        other = await deal.proposed(MEASURE)
        async with deal.firm.story.database.transaction() as session:
            for name in ("pumps", ids.format_id(PREFIX, version.contract_id)):
                found = await find_contract(session, deal.account_id, name)
                assert found.id == version.contract_id
            listed = await list_contracts(session, deal.account_id)
        assert [one.id for one in listed] == [version.contract_id, other.contract_id]

    async def test_unknown_contract_or_contract_of_another_account_is_not_found(
        self, deal: Deal, story: Story
    ) -> None:
        """Neither by id nor by tag."""
        version = await deal.proposed()
        stranger = await story.firm("Other")
        async with story.database.transaction() as session:
            for name in ("nope", "no name\0", ids.format_id(PREFIX, version.contract_id), "pumps"):
                with pytest.raises(ContractNotFound):
                    await find_contract(session, stranger.account.id, name)
            assert await list_contracts(session, stranger.account.id) == []

    async def test_unknown_version_number_is_not_found(self, deal: Deal) -> None:
        version = await deal.proposed()
        with pytest.raises(ContractNotFound, match="no version 2"):
            get_version(await deal.versions(version), 2)


class TestVersionInForce:
    async def test_version_is_in_force_from_its_start(self, deal: Deal) -> None:
        version = await deal.agreed()
        assert await deal.holds(version, 2026, 10, 31, 23, 59) is None
        assert await deal.holds(version, 2026, 11, 1) == 1
        assert await deal.holds(version, 2040, 1, 1) == 1

    async def test_version_agreed_by_one_party_is_not_in_force(self, deal: Deal) -> None:
        version = await deal.proposed()
        await deal.says_yes(version, CUSTOMER)
        assert await deal.holds(version, 2026, 11, 2) is None

    async def test_version_is_in_force_until_its_end(self, deal: Deal) -> None:
        version = await deal.agreed(f"ends_at = 2026-12-01T00:00:00{EVENT}")
        assert await deal.holds(version, 2026, 11, 30, 23, 59) == 1
        assert await deal.holds(version, 2026, 12, 1) is None

    async def test_newer_version_replaces_the_older_one_permanently(self, deal: Deal) -> None:
        """When the newer version has ended, the older one is not in force again."""
        first = await deal.agreed()
        await deal.agreed(f"ends_at = 2027-01-01T00:00:00{DECEMBER}")
        assert await deal.holds(first, 2026, 11, 30) == 1
        assert await deal.holds(first, 2026, 12, 1) == 2
        assert await deal.holds(first, 2027, 1, 1) is None

    async def test_newer_version_with_an_earlier_start_replaces_the_older_one(
        self, deal: Deal
    ) -> None:
        first = await deal.agreed(DECEMBER)
        await deal.agreed(EVENT)
        assert await deal.holds(first, 2026, 11, 1) == 2
        assert await deal.holds(first, 2026, 12, 2) == 2

    async def test_ended_contract_has_no_version_in_force(self, deal: Deal) -> None:
        first = await deal.agreed()
        await deal.agreed(DECEMBER)
        at = deal.firm.story.clock.at(2026, 11, 15)
        await deal.ended(first, at=at)
        assert await deal.holds(first, 2026, 11, 14) == 1
        assert await deal.holds(first, 2026, 11, 15) is None
        assert await deal.holds(first, 2026, 12, 2) is None
