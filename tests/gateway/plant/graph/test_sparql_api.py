"""`/v1/plant/sparql`: the protocol, the account's own graph, and changes of the plant model."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from billing.tables import Account, DecisionRecord
from gateway.tables import PlantAsset, PlantEntity, PlantPoint, PlantRelation, PlantVerdict
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from tests.support import builders
from tests.support.builders import Gateway, customer
from tests.support.gateway.errors import error_of

_PATH = "/v1/plant/sparql"
_NAMES = "select ?name where { ?pump a plant:Asset ; rdfs:label ?name } order by ?name"


def asset(account: Account, code: str, **values: Any) -> PlantAsset:
    now = SystemClock().now()
    fields = {"level": "equipment", "name": code, "types": {}, "properties": {}, "source": "csv"}
    return PlantAsset(
        id=ids.new_id(),
        account_id=account.id,
        code=code,
        created_at=now,
        updated_at=now,
        **{**fields, **values},
    )


async def store(database: Database, account: Account, *rows: Any) -> None:
    """Add rows to an account's plant model, as a change of it."""
    change = text(
        "insert into plant_revision values (:account, 1) on conflict (account_id) "
        "do update set revision = plant_revision.revision + 1"
    )
    async with database.transaction() as session:
        session.add_all(rows)
        await session.execute(change, {"account": account.id})


async def names(http: httpx.AsyncClient) -> str:
    answer = await http.get(_PATH, params={"query": _NAMES}, headers={"accept": "text/csv"})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_query_sees_changes_and_only_the_own_account(
    gateway: Gateway, database: Database
) -> None:
    other, key = await customer(database, gateway.parts.settings, "Other 公司")
    await store(database, other, asset(other, "X-1", name="Other pump"))
    assert await names(gateway.http) == "name\r\n"
    await store(database, gateway.account, asset(gateway.account, "P-1", name="泵 1"))
    assert await names(gateway.http) == "name\r\n泵 1\r\n"
    now = SystemClock().now()
    retired = asset(gateway.account, "P-2", retired_at=now)
    await store(database, gateway.account, retired, asset(gateway.account, "P-3"))
    assert await names(gateway.http) == "name\r\nP-3\r\n泵 1\r\n"
    headers = {"authorization": f"Bearer {key.secret}"}
    async with builders.client(gateway.url, headers) as http:
        assert await names(http) == "name\r\nOther pump\r\n"


async def test_leaks_after_a_bearing_change_are_found_over_three_hops(
    gateway: Gateway, database: Database
) -> None:
    account, now = gateway.account, SystemClock().now()
    pumps = [asset(account, code, types={"brick": "Pump"}) for code in ("P-1", "P-2")]
    base = {"account_id": account.id, "source": "csv", "created_at": now}

    def entity(kind: str, code: str, day: str = "") -> PlantEntity:
        properties = {"date": {"value": day}} if day else {}
        return PlantEntity(
            id=ids.new_id(),
            kind=kind,
            code=code,
            name=code,
            properties=properties,
            updated_at=now,
            **base,
        )

    def relation(subject: Any, predicate: str, kind: str, target: Any) -> PlantRelation:
        return PlantRelation(
            id=ids.new_id(),
            subject_kind="work_order",
            subject_id=subject.id,
            predicate=predicate,
            object_kind=kind,
            object_id=target.id,
            confidence=1.0,
            valid_from=now,
            **base,
        )

    leak, change = entity("failure_mode", "seal_leak"), entity("remedy", "bearing_change")
    orders = {
        name: entity("work_order", name, day)
        for name, day in [
            ("W1", "2026-01-10"),
            ("W2", "2026-02-01"),
            ("W3", "2026-03-01"),
            ("W4", "2026-03-09"),
        ]
    }
    relations = [
        relation(orders[order], predicate, kind, target)
        for order, predicate, kind, target in [
            ("W1", "on", "asset", pumps[0]),
            ("W1", "remedy", "remedy", change),
            ("W2", "on", "asset", pumps[0]),
            ("W2", "found", "failure_mode", leak),
            ("W3", "on", "asset", pumps[1]),
            ("W3", "found", "failure_mode", leak),
            ("W4", "on", "asset", pumps[1]),
            ("W4", "remedy", "remedy", change),
        ]
    ]
    await store(database, account, *pumps, leak, change, *orders.values())
    await store(database, account, *relations)
    query = """select ?code where {
        ?changed plant:remedy remedy:bearing_change ; plant:on ?pump ; plant:date ?first .
        ?leaked plant:found failure_mode:seal_leak ; plant:on ?pump ; plant:date ?second .
        ?pump plant:assetType brick:Pump ; plant:code ?code filter(?second > ?first) }"""
    answer = await gateway.http.post(_PATH, data={"query": query})
    found = answer.json()["results"]["bindings"]
    assert [row["code"]["value"] for row in found] == ["P-1"]


async def test_post_of_a_query_and_constructed_triples(
    gateway: Gateway, database: Database
) -> None:
    now = SystemClock().now()
    pump = asset(gateway.account, "P-1")
    point = PlantPoint(
        id=ids.new_id(),
        account_id=gateway.account.id,
        asset_id=pump.id,
        tag="P-1.T",
        name="",
        unit="degC",
        data_type="number",
        concept_scheme="",
        concept_id="",
        mapping_status="unmapped",
        source="csv",
        created_at=now,
        updated_at=now,
    )
    await store(database, gateway.account, pump)
    await store(database, gateway.account, point)
    headers = {"content-type": "application/sparql-query; charset=utf-8", "accept": "text/turtle"}
    query = (
        "construct { ?p plant:unit ?u } where { asset:P-1 plant:hasPoint ?p . ?p plant:unit ?u }"
    )
    answer = await gateway.http.post(_PATH, content=query, headers=headers)
    assert answer.headers["content-type"].startswith("text/turtle")
    assert answer.text.strip() == ('<urn:maas:point:P-1.T> <urn:maas:vocabulary:unit> "degC" .')
    assert answer.headers["x-maas-plant-revision"] == "2"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/sparql-query", b"select * { service <http://10.0.0.1/> { ?s ?p ?o } }"),
        ("application/sparql-query", b"delete where { ?s ?p ?o }"),
        ("application/sparql-query", b"\xff\xfe"),
        ("application/sparql-query", b""),
        ("application/sparql-update", b"clear all"),
        ("application/x-www-form-urlencoded", b"q=select"),
        ("application/x-www-form-urlencoded", b"query=ask%7B%7D&query=ask%7B%7D"),
    ],
)
async def test_unusable_queries_are_refused(
    gateway: Gateway, content_type: str, body: bytes
) -> None:
    headers = {"content-type": content_type}
    answer = await gateway.http.post(_PATH, content=body, headers=headers)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "sparql_query_invalid")


async def test_missing_query_and_missing_key_are_refused(gateway: Gateway) -> None:
    assert (await gateway.http.get(_PATH)).status_code == 400
    async with builders.client(gateway.url, {}) as http:
        assert (await http.get(_PATH, params={"query": "ask {}"})).status_code == 401


async def test_verdicts_and_decisions_reach_a_loaded_graph_with_model_and_version(
    gateway: Gateway, database: Database
) -> None:
    account, now = gateway.account, SystemClock().now()
    other, _ = await customer(database, gateway.parts.settings, "Other")
    pump, foreign = asset(account, "P-1"), asset(other, "P-1")
    await store(database, account, pump)
    await store(database, other, foreign)
    query = (
        "select ?model ?version ?life { ?v plant:on asset:P-1 ; plant:model ?model ; "
        "plant:version ?version optional { ?v plant:predictedRemainingLife ?life } } "
        "order by ?model"
    )

    async def found() -> str:
        headers = {"accept": "text/csv"}
        return (await gateway.http.get(_PATH, params={"query": query}, headers=headers)).text

    assert await found() == "model,version,life\r\n"
    values = {"at": now, "created_at": now, "inputs": [], "version": "3"}
    verdicts = [
        PlantVerdict(
            id=ids.new_id(), account_id=owner.id, asset_id=row.id, request_id=ids.new_id(),
            model=model, prediction={"remaining_life": 41, "curve": [1, 2]}, **values,
        )
        for owner, row, model in ((account, pump, "life"), (other, foreign, "secret"))
    ]  # fmt: skip
    record = {"subject": "P-1", "probability": 0.9, "basis": {"version": "7"}}
    decision = DecisionRecord(
        id=ids.new_id(), account_id=account.id, request_id=ids.new_id(), model="anomaly",
        verdict="yes", document=json.dumps(record), signature="s", key_id="k", created_at=now,
    )  # fmt: skip
    async with database.transaction() as session:
        session.add_all([*verdicts, decision])
    assert await found() == "model,version,life\r\nanomaly,7,\r\nlife,3,41\r\n"
    assert await found() == "model,version,life\r\nanomaly,7,\r\nlife,3,41\r\n"
