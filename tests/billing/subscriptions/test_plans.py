"""Plan versions: the same terms are one version, and a version never changes."""

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


class TestPublishing:
    async def test_numbers_count_within_a_plan_and_currency(self, database: Database) -> None:
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

    async def test_the_same_terms_are_the_same_version(self, database: Database) -> None:
        first = await published(database, TERMS)
        await published(database, replace(TERMS, fixed_fee=200))
        again = await published(database, TERMS)
        assert (again.id, again.number) == (first.id, 1)
        assert first.id == TERMS.version_id()

    async def test_several_at_once(self, database: Database) -> None:
        variants = [replace(TERMS, fixed_fee=fee) for fee in (1, 2, 3, 1, 2, 3)]
        made = await asyncio.gather(*(published(database, terms) for terms in variants))
        assert {one.number for one in made} == {1, 2, 3}
        assert len({one.id for one in made}) == 3


class TestFinding:
    async def test_the_newest_or_one_by_its_number(self, database: Database) -> None:
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
    async def test_there_is_none(
        self, database: Database, plan: str, currency: str, number: int | None, said: str
    ) -> None:
        await published(database, TERMS)
        async with database.transaction() as session:
            with pytest.raises(PlanNotFound, match=said) as raised:
                await find_plan_version(session, plan, currency, number)
        assert (raised.value.status, raised.value.param) == (404, "plan")

    async def test_all_by_plan_currency_and_number(self, database: Database) -> None:
        for terms in (TERMS, replace(TERMS, plan="a"), replace(TERMS, fixed_fee=1)):
            await published(database, terms)
        async with database.transaction() as session:
            found = await list_plan_versions(session)
        assert [(one.plan, one.number) for one in found] == [("a", 1), ("team", 1), ("team", 2)]

    async def test_terms_are_read_back_and_unknown_ones_left_out(self, database: Database) -> None:
        version = await published(database, TERMS)
        async with database.transaction() as session:
            assert await load_terms(session, [version.id, UUID(int=1)]) == {version.id: TERMS}


@pytest.mark.parametrize(
    "statement", ["update plan_version set terms = '{}'", "delete from plan_version"]
)
async def test_a_version_never_changes(database: Database, statement: str) -> None:
    await published(database, TERMS)
    with pytest.raises(DBAPIError, match="rows of plan_version are never changed"):
        await sql(database, statement)
