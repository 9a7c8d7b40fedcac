"""Plan versions: numbering, lookup, and immutability."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError

from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import (
    PlanNotFound,
    find_plan_version,
    list_plan_versions,
    load_terms,
    publish_plan,
)
from billing.tables import PlanVersion
from infra.database.database import Database
from tests.support.billing.making import CLOCK, sql

TERMS = PlanTerms("team", {"en": "Team", "zh": "团队"}, "CNY", prices=(), fixed_fee=100)


async def published(database: Database, terms: PlanTerms) -> PlanVersion:
    async with database.transaction() as session:
        return await publish_plan(session, CLOCK, terms)


class TestPlanPublishing:
    async def test_versions_are_numbered_per_plan_and_currency(self, database: Database) -> None:
        made = [
            await published(database, terms)
            for terms in (
                TERMS,
                replace(TERMS, fixed_fee=200),
                replace(TERMS, currency="USD"),
                replace(TERMS, plan="solo"),
                replace(TERMS, fixed_fee=300),
            )
        ]
        assert [(one.plan, one.currency, one.number) for one in made] == [
            ("team", "CNY", 1),
            ("team", "CNY", 2),
            ("team", "USD", 1),
            ("solo", "CNY", 1),
            ("team", "CNY", 3),
        ]

    async def test_same_terms_return_the_existing_version(self, database: Database) -> None:
        first = await published(database, TERMS)
        await published(database, replace(TERMS, fixed_fee=200))
        again = await published(database, TERMS)
        assert (again.id, again.number) == (first.id, 1)
        assert first.id == TERMS.version_id()

    async def test_concurrent_publishing_numbers_versions_without_duplicates(
        self, database: Database
    ) -> None:
        variants = [replace(TERMS, fixed_fee=fee) for fee in (1, 2, 3, 1, 2, 3)]
        made = await asyncio.gather(*(published(database, terms) for terms in variants))
        assert {one.number for one in made} == {1, 2, 3}
        assert len({one.id for one in made}) == 3


class TestPlanLookup:
    async def test_lookup_returns_the_newest_version_or_a_numbered_one(
        self, database: Database
    ) -> None:
        first = await published(database, TERMS)
        second = await published(database, replace(TERMS, fixed_fee=200))
        async with database.transaction() as session:
            assert (await find_plan_version(session, "team", "CNY")).id == second.id
            assert (await find_plan_version(session, "team", "CNY", 1)).id == first.id

    @pytest.mark.parametrize(
        ("plan", "currency", "number", "said"),
        [
            ("solo", "CNY", None, "not found: 'solo' in CNY"),
            ("team", "USD", None, "not found: 'team' in USD"),
            ("team", "CNY", 9, "not found: 'team' version 9 in CNY"),
        ],
    )
    async def test_unknown_plan_raises_plan_not_found(
        self, database: Database, plan: str, currency: str, number: int | None, said: str
    ) -> None:
        await published(database, TERMS)
        async with database.transaction() as session:
            with pytest.raises(PlanNotFound, match=said) as raised:
                await find_plan_version(session, plan, currency, number)
        assert (raised.value.status, raised.value.param) == (404, "plan")

    async def test_versions_are_listed_by_plan_currency_and_number(
        self, database: Database
    ) -> None:
        for terms in (TERMS, replace(TERMS, plan="a"), replace(TERMS, fixed_fee=1)):
            await published(database, terms)
        async with database.transaction() as session:
            found = await list_plan_versions(session)
        assert [(one.plan, one.number) for one in found] == [("a", 1), ("team", 1), ("team", 2)]

    async def test_terms_of_stored_versions_are_loaded_and_unknown_ids_skipped(
        self, database: Database
    ) -> None:
        version = await published(database, TERMS)
        async with database.transaction() as session:
            assert await load_terms(session, [version.id, UUID(int=1)]) == {version.id: TERMS}


@pytest.mark.parametrize(
    "statement", ["update plan_version set terms = '{}'", "delete from plan_version"]
)
async def test_plan_version_row_cannot_be_updated_or_deleted(
    database: Database, statement: str
) -> None:
    await published(database, TERMS)
    with pytest.raises(DBAPIError, match="rows of plan_version are never changed"):
        await sql(database, statement)
