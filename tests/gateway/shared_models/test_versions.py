"""Versions of a shared model: promotion, concurrent promotions and rollback."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from gateway.registry.versions import (
    MAX_KEPT_VERSIONS,
    ModelVersionConflict,
    ModelVersionNotFound,
    ModelVersionUnfit,
    find_version,
    find_version_with_weights,
    get_current_number,
    get_current_version_ids,
    get_previous_number,
    list_versions,
    promote,
    roll_back,
    version_name,
)
from gateway.tables import ModelVersion, VersionStatus
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database

MODEL = "shop-floor"
CLOCK = SystemClock()


async def made(
    database: Database, *numbers: int, status: VersionStatus = VersionStatus.PROMOTED, **more: Any
) -> None:
    """Store versions as they are after a promotion and a later replacement."""
    async with database.transaction() as session:
        for number in numbers:
            values = {"artefact": b"weights %d" % number, "scores": None, **more}
            session.add(
                ModelVersion(
                    id=ids.new_id(),
                    model=MODEL,
                    number=number,
                    parent=0,
                    status=status,
                    current=False,
                    made_of={},
                    history=[],
                    created_at=CLOCK.now(),
                    **values,
                )
            )


async def promoted(database: Database, number: int, instead_of: int = 0) -> None:
    async with database.transaction() as session:
        await promote(session, CLOCK, MODEL, number, instead_of, "us")


async def rolled_back(database: Database, to: int, instead_of: int) -> None:
    async with database.transaction() as session:
        await roll_back(session, CLOCK, MODEL, to, instead_of, "us")


async def now(database: Database) -> int:
    async with database.transaction() as session:
        return await get_current_number(session, MODEL)


async def all_of(database: Database) -> Sequence[ModelVersion]:
    async with database.transaction() as session:
        return await list_versions(session, MODEL)


async def epoch(database: Database) -> int:
    async with database.transaction() as session:
        count: int = (await session.execute(text("select count from access_epoch"))).scalar_one()
        return count


class TestVersionPromotion:
    async def test_promoted_version_is_current_and_advances_the_epoch(
        self, database: Database
    ) -> None:
        await made(database, 1, 2)
        count = await epoch(database)
        await promoted(database, 1)
        await promoted(database, 2, instead_of=1)
        assert await now(database) == 2
        # The epoch notifies every gateway.
        assert await epoch(database) == count + 2
        async with database.transaction() as session:
            row = await find_version(session, MODEL, 2)
            assert await get_current_version_ids(session) == {MODEL: row.id}
            stored = await find_version_with_weights(session, row.id)
        assert stored is not None
        assert (stored.base, stored.public_name, stored.artefact) == (
            MODEL,
            f"{MODEL}@2",
            b"weights 2",
        )
        assert [line["what"] for line in row.history] == ["promoted"]
        assert row.promoted_at is not None

    async def test_one_of_two_concurrent_promotions_succeeds(
        self, database: Database, database_url: str
    ) -> None:
        await made(database, 1, 2)
        others = [Database(database_url, pool_size=1) for _ in range(2)]
        done = await asyncio.gather(
            *(promoted(other, number) for number, other in enumerate(others, 1)),
            return_exceptions=True,
        )
        for other in others:
            await other.close()
        (lost,) = [one for one in done if one is not None]
        assert isinstance(lost, ModelVersionConflict)
        winner = await now(database)
        assert f"is now {winner}, no longer 0" in lost.message
        assert [row.number for row in await all_of(database) if row.current] == [winner]

    async def test_promotion_in_another_model_is_rejected(self, database: Database) -> None:
        await made(database, 1)
        async with database.transaction() as session:
            with pytest.raises(ModelVersionNotFound):
                await promote(session, CLOCK, "another", 1, 0, "us")

    @pytest.mark.parametrize("status", [VersionStatus.REJECTED, VersionStatus.PROPOSED])
    async def test_rejected_or_proposed_version_cannot_be_promoted(
        self, database: Database, status: VersionStatus
    ) -> None:
        await made(database, 1, status=status)
        with pytest.raises(ModelVersionUnfit, match=status.value):
            await promoted(database, 1)
        assert await now(database) == 0

    async def test_version_without_weights_cannot_be_promoted(self, database: Database) -> None:
        await made(database, 1, artefact=None)
        with pytest.raises(ModelVersionUnfit, match="no stored weights"):
            await promoted(database, 1)

    async def test_current_version_cannot_be_promoted_again(self, database: Database) -> None:
        await made(database, 1)
        await promoted(database, 1)
        with pytest.raises(ModelVersionUnfit, match="already"):
            await promoted(database, 1, instead_of=1)

    async def test_weights_over_the_retention_limit_are_deleted(self, database: Database) -> None:
        numbers = range(1, MAX_KEPT_VERSIONS + 3)
        await made(database, *numbers)
        for number in numbers:
            await promoted(database, number, instead_of=number - 1)
        for number, kept in ((1, False), (2, False), (3, True), (MAX_KEPT_VERSIONS + 2, True)):
            async with database.transaction() as session:
                row = await find_version(session, MODEL, number)
                assert (await find_version_with_weights(session, row.id) is not None) == kept
        with pytest.raises(ModelVersionUnfit, match="no stored weights"):
            await rolled_back(database, 1, MAX_KEPT_VERSIONS + 2)
        assert await now(database) == MAX_KEPT_VERSIONS + 2


class TestVersionRollback:
    async def test_rolled_back_version_can_be_promoted_again(self, database: Database) -> None:
        await made(database, 1, 2)
        await promoted(database, 1)
        await promoted(database, 2, instead_of=1)
        async with database.transaction() as session:
            assert await get_previous_number(session, MODEL) == 1
        await rolled_back(database, 1, instead_of=2)
        second, first = await all_of(database)
        assert (first.status, first.current) == (VersionStatus.PROMOTED, True)
        assert (second.status, second.current) == (VersionStatus.ROLLED_BACK, False)
        assert second.history[-1]["what"] == "rolled back to 1"
        await promoted(database, 2, instead_of=1)
        assert await now(database) == 2

    async def test_first_version_is_rolled_back_to_the_built_in_one(
        self, database: Database
    ) -> None:
        await made(database, 1)
        await promoted(database, 1)
        async with database.transaction() as session:
            assert await get_previous_number(session, MODEL) == 0
        await rolled_back(database, 0, instead_of=1)
        assert await now(database) == 0
        async with database.transaction() as session:
            assert await get_current_version_ids(session) == {}

    async def test_previous_version_skips_rolled_back_versions(self, database: Database) -> None:
        await made(database, 1, 2)
        await promoted(database, 1)
        await rolled_back(database, 0, instead_of=1)
        await promoted(database, 2)
        async with database.transaction() as session:
            assert await get_previous_number(session, MODEL) == 0

    @pytest.mark.parametrize(
        ("to", "instead_of", "error"),
        [
            (0, 1, ModelVersionConflict),
            (0, 0, ModelVersionUnfit),
            (7, 0, ModelVersionNotFound),
        ],
    )
    async def test_invalid_rollback_is_rejected(
        self, database: Database, to: int, instead_of: int, error: type[Exception]
    ) -> None:
        await made(database, 1)
        with pytest.raises(error):
            await rolled_back(database, to, instead_of)


def test_version_name_differs_from_the_built_in_model_name() -> None:
    """The engine serves the built-in version under the model's name, so others need a suffix."""
    assert (version_name(MODEL, 0), version_name(MODEL, 3)) == (MODEL, f"{MODEL}@3")
