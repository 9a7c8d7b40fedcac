"""Drift of a customer's model: counted calls, the endpoint, isolation, and deletion."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from openai import NotFoundError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.drift.counter import InputCounter
from gateway.drift.counts import add_counts
from infra.clock import SystemClock
from infra.database.database import Database, DatabaseUnavailable
from infra.telemetry.metrics import declare_metrics
from models.catalog import Task
from tests.support.builders import CATALOG, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, another
from tests.support.gateway.drift_references import adapted, bins


async def called(customer: Customer, upstream: FakeUpstream, name: str, header: str) -> Any:
    """A call whose inputs the model server counted; the counts are written."""
    upstream.learner.bins = header
    answer = await customer.predicts(name)
    assert answer.status_code == 200, answer.text
    await customer.gateway.parts.input_counter.flush()
    return answer


async def drift_of(gateway: Gateway, name: str) -> dict[str, Any]:
    answer = await gateway.http.get(f"/v1/models/{name}/drift")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_calls_are_compared_with_the_training(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await adapted(customer)
    assert (await drift_of(customer.gateway, name))["reason"] == "too_few_rows"
    answer = await called(customer, upstream, name, bins(150))
    assert "x-maas-input-bins" not in answer.headers
    await called(customer, upstream, name, bins(150))
    found = await drift_of(customer.gateway, name)
    assert (found["level"], found["rows"], found["version"]) == ("none", 300, 1)
    assert {one["role"] for one in found["variables"]} == {"input", "prediction"}


async def test_shifted_input_has_a_significant_level_with_means(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await adapted(customer)
    await called(customer, upstream, name, bins(300, shift=40))
    for model in (name, f"{name}:1"):
        found = await drift_of(customer.gateway, model)
        assert found["level"] == "significant"
        worst = found["variables"][0]
        assert (worst["name"], worst["level"], worst["unit"]) == ("pressure", "significant", "bar")
        assert worst["psi"] > 0.25
        assert worst["training"]["mean"] == pytest.approx(50, abs=1)
        assert worst["serving"]["mean"] > 70
        assert worst["serving"]["outside"] == pytest.approx(0.4, abs=0.02)


async def test_model_of_another_account_and_unknown_ones_are_not_found(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await adapted(customer)
    async with another(customer.gateway) as openai:
        with pytest.raises(NotFoundError):
            await openai.get(f"/models/{name}/drift", cast_to=object)
    specialist = CATALOG.with_task(Task.CLASSIFICATION)[0].id
    for model in (specialist, f"{name}:7", "ft:x:acct_1:y"):
        answer = await customer.gateway.http.get(f"/v1/models/{model}/drift")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_model_without_a_reference_says_so(
    customer: Customer, upstream: FakeUpstream
) -> None:
    upstream.learner.artefact = None
    name = await adapted(customer)
    found = await drift_of(customer.gateway, name)
    assert (found["level"], found["reason"], found["variables"]) == (None, "no_reference", [])


async def test_counts_of_another_account_are_not_added_and_deletion_removes_all(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await adapted(customer)
    await called(customer, upstream, name, bins(100))
    parts = customer.gateway.parts
    (variant_id,) = await ids_of(parts.database, "select variant_id from variant_drift")
    async with parts.database.transaction() as session:
        await add_counts(session, SystemClock().now(), {(uuid4(), variant_id): {0: 900}})
    assert (await drift_of(customer.gateway, name))["rows"] == 100
    await customer.openai.models.delete(name)
    for table in ("variant_drift", "variant_count"):
        assert await ids_of(parts.database, f"select variant_id from {table}") == []


async def ids_of(database: Database, query: str) -> list[Any]:
    async with database.transaction() as session:
        connection = await session.connection()
        return list((await connection.exec_driver_sql(query)).scalars())


class ResultLost(Database):
    """A database whose commits succeed; the result of the first one is lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_lost = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        async with self._database.transaction() as session:
            yield session
        if not self.is_lost:
            self.is_lost = True
            raise DatabaseUnavailable


async def test_counts_of_a_lost_commit_are_not_added_twice(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await adapted(customer)
    parts = customer.gateway.parts
    (variant_id,) = await ids_of(parts.database, "select variant_id from variant_drift")
    database, metrics = ResultLost(parts.database), declare_metrics()
    counter = InputCounter(database, SystemClock(), metrics.input_counts_dropped)
    counter.add(customer.gateway.account.id, variant_id, bins(30).encode())
    await counter.flush()
    assert database.is_lost
    counter.add(customer.gateway.account.id, variant_id, bins(12).encode())
    await counter.stop()
    assert (await drift_of(customer.gateway, name))["rows"] == 42


class Away(Database):
    """A database that is not available at first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_away = True

    def transaction(self) -> Any:
        if self.is_away:
            raise DatabaseUnavailable
        return self._database.transaction()


async def test_counts_wait_for_the_database_and_invalid_ones_are_dropped(
    customer: Customer, upstream: FakeUpstream
) -> None:
    name = await adapted(customer)
    parts = customer.gateway.parts
    (variant_id,) = await ids_of(parts.database, "select variant_id from variant_drift")
    database, metrics = Away(parts.database), declare_metrics()
    counter = InputCounter(database, SystemClock(), metrics.input_counts_dropped)
    for text in (bins(30).encode(), b"<html>", bins(12).encode()):
        counter.add(customer.gateway.account.id, variant_id, text)
    await counter.flush()
    database.is_away = False
    await counter.stop()
    assert (await drift_of(customer.gateway, name))["rows"] == 42
    assert metrics.input_counts_dropped._value.get() == 1
