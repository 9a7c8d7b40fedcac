"""`/v1/predictions/…` over a real socket: records, keys, ledger, events and scores."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.outcomes.evidence.decision_records import PURPOSE, decision_message
from billing.outcomes.predictions.tokens import jwk_public_key
from billing.outcomes.predictions.verification import parse_ledger_file, verify_ledger_file
from billing.tables import DecisionRecord
from gateway.plant.assets.ids import ASSET
from gateway.plant.predictions.verdicts import VERDICT
from gateway.tables import PlantAsset
from gateway.tables.plant_verdicts import PlantVerdict
from infra import ids
from infra.secrets.signing_key import SigningKey
from tests.support.builders import PLENTY, Limited, customer
from tests.support.clocks import CalendarClock
from tests.support.gateway.errors import error_of
from tests.support.gateway.plants import import_plant
from tests.support.gateway.predictions import add_prediction, body
from tests.support.outcomes.told import Told
from tests.support.stories.outcome_story import contract
from tests.support.stories.story import Firm, Story

RECORDS = "/v1/predictions/records"


@pytest.fixture
async def told(limited: Limited) -> AsyncIterator[Told]:
    clock = CalendarClock()
    async with limited(PLENTY, clock=clock) as gateway:
        story = Story(gateway.parts.database)
        story.clock = clock.calendar
        of = await contract(Firm(story, gateway.account, gateway.key.row.id))
        story.clock.set(2026, 10, 20)
        yield Told(gateway, of)


async def send(told: Told, *records: dict[str, Any]) -> httpx.Response:
    return await told.gateway.http.post(RECORDS, json={"records": list(records)})


async def call(told: Told, *at: int) -> str:
    return ids.format_id(REQUEST_ID_PREFIX, (await told.of.use("M1", *at)).request_id)


async def test_reported_record_is_listed_verified_and_scored(told: Told) -> None:
    clock = told.of.firm.story.clock
    now, request_id = clock.now(), await call(told, 2026, 10, 20)
    new = body(now, request_ids=[request_id], agent="mine", agent_version="1", question="Fails?")
    answer = await send(told, new, new)
    assert answer.status_code == 200, answer.text
    first, again = answer.json()["data"]
    assert (first, first["basis"]["source"], first["probability"]) == (again, "reported", 0.8)
    other = {**new, "idempotency_key": first["idempotency_key"], "verdict": "no"}
    changed = await send(told, other)
    assert (changed.status_code, error_of(changed)["code"]) == (409, "prediction_conflict")

    http = told.gateway.http
    assert (await http.get(f"{RECORDS}/{first['id']}")).json() == first
    listed = (await http.get(RECORDS, params={"agent": "mine", "limit": 1})).json()
    assert (listed["data"], listed["has_more"]) == ([first], False)
    ledger = parse_ledger_file((await http.get("/v1/predictions/ledger")).content)
    async with httpx.AsyncClient(base_url=told.gateway.url) as anybody:
        keys = (await anybody.get("/v1/predictions/keys")).json()["keys"]
    assert verify_ledger_file(ledger, keys).fault is None
    assert len(jwk_public_key(keys[0])) == 32
    verified = (await http.get("/v1/predictions/verification")).json()
    assert (verified["valid"], verified["head"]) == (True, first["digest"])
    metrics = (await http.get("/metrics")).text
    assert 'maas_prediction_records_total{source="reported",verdict="yes"} 2.0' in metrics

    at = (now + timedelta(days=2)).isoformat()
    clock.set(2026, 10, 30)
    event = {"business_key": "W-1", "event": "spindle_failure", "subject": "M1", "happened_at": at}
    reported = await http.post("/v1/predictions/events", json=event)
    assert (await http.post("/v1/predictions/events", json=event)).json() == reported.json()
    denial = await http.post("/v1/predictions/events", json={**event, "happened": False})
    assert (denial.status_code, error_of(denial)["code"]) == (409, "prediction_conflict")
    missed = {**event, "business_key": "W-2", "subject": "M2"}
    await http.post("/v1/predictions/events", json=missed)
    denied = {**event, "business_key": "W-3", "subject": "M3", "happened": False}
    await http.post("/v1/predictions/events", json=denied)
    assert len((await http.get("/v1/predictions/events")).json()["data"]) == 3
    scores = (await http.get("/v1/predictions/scores", params={"event": "spindle_failure"})).json()
    total = scores["total"]
    assert (total["brier"], total["precision"], total["recall"]) == (0.04, 1.0, 0.5)
    assert (total["hits"], total["missed"], total["lead_hours"]) == (1, 1, 48.0)
    assert scores["by_model"][0]["agent"] == "mine"
    statuses = {one["subject"]: one["status"] for one in scores["events"]}
    assert statuses == {"M1": "confirmed", "M2": "missed", "M3": "denied"}


async def test_decision_record_and_verdict_are_copied_by_the_service(told: Told) -> None:
    now, gateway = told.of.firm.story.clock.now(), told.gateway
    request_id = await call(told, 2026, 10, 20)
    record_id, key = ids.new_id(), SigningKey(gateway.parts.pepper, PURPOSE)
    basis = {"model": "vib", "version": "3", "request_id": request_id, "inputs_sha256": "a" * 64}
    text = json.dumps({"subject": "M1", "verdict": "yes", "probability": 0.9, "basis": basis})
    asset = (await import_plant(gateway))["asset"]
    verdict_id, call_id = ids.new_id(), (await told.of.use("M1", 2026, 10, 19)).request_id
    async with gateway.parts.database.transaction() as session:
        session.add(
            DecisionRecord(
                id=record_id,
                account_id=gateway.account.id,
                request_id=ids.new_id(),
                model="vib",
                verdict="yes",
                document=text,
                signature=key.sign(decision_message(record_id, text)),
                key_id=key.key_id,
                created_at=now,
            )
        )
        session.add(
            PlantVerdict(
                id=verdict_id,
                account_id=gateway.account.id,
                asset_id=ids.parse_id(ASSET, asset),
                request_id=call_id,
                model="vib",
                at=now,
                created_at=now,
                prediction={"failure_probability": 0.7, "hours": 3.0},
                inputs=[],
            )
        )
    span = {"event": "spindle_failure", "from": now.isoformat()}
    span["to"] = (now + timedelta(days=7)).isoformat()
    name, verdict = ids.format_id("drec", record_id), ids.format_id(VERDICT, verdict_id)
    answer = await send(
        told, {**span, "decision": name}, {**span, "plant_verdict": verdict, "warn_from": 0.6}
    )
    assert answer.status_code == 200, answer.text
    decided, judged = answer.json()["data"]
    assert (decided["subject"], decided["probability"]) == ("M1", 0.9)
    assert (decided["basis"]["source"], decided["basis"]["record"]) == ("decision", name)
    assert decided["basis"]["request_ids"] == [request_id]
    assert (judged["asset"], judged["verdict"]) == (asset, "yes")
    assert (judged["basis"]["source"], judged["probability"]) == ("verdict", 0.7)
    both = await send(told, {**span, "decision": name, "plant_verdict": verdict})
    assert (both.status_code, error_of(both)["param"]) == (400, "decision")
    async with gateway.parts.database.transaction() as session:
        row = await session.get(PlantAsset, ids.parse_id(ASSET, asset))
        assert row is not None
        assert judged["subject"] == row.code


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"subject": None}, "subject"),
        ({"model": None}, "model"),
        ({"verdict": None}, "verdict"),
        ({"probability": 1.5}, "probability"),
        ({"request_ids": ["x"]}, "request_ids"),
        ({"request_ids": []}, "request_ids"),
        ({"agent": "a"}, "agent_version"),
        ({"from": "2026-10-20T00:00:00"}, "from"),
        ({"verdict": "maybe"}, "records[0].verdict"),
        ({"plant_verdict": "vrd_x"}, "plant_verdict"),
    ],
)
async def test_invalid_record_is_refused_with_its_field(
    told: Told, values: dict[str, Any], param: str
) -> None:
    answer = await send(told, body(told.of.firm.story.clock.now(), **values))
    assert answer.status_code in (400, 404), answer.text
    assert error_of(answer)["param"] == param


async def test_bad_requests_and_foreign_records_are_refused(told: Told) -> None:
    http = told.gateway.http
    empty: list[dict[str, Any]] = []
    for records in (empty, [body(told.of.firm.story.clock.now())] * 101):
        assert (await http.post(RECORDS, json={"records": records})).status_code == 400
    name = await add_prediction(told.gateway)
    other, key = await customer(told.gateway.parts.database, told.gateway.parts.settings, "Other")
    assert other.id != told.gateway.account.id
    headers = {"authorization": f"Bearer {key.secret}"}
    async with httpx.AsyncClient(base_url=told.gateway.url, headers=headers) as stranger:
        found = await stranger.get(f"{RECORDS}/{name}")
        assert (found.status_code, error_of(found)["code"]) == (404, "prediction_not_found")
        assert (await stranger.get(RECORDS)).json()["data"] == []
        scores = await stranger.get("/v1/predictions/scores", params={"event": "spindle_failure"})
        assert scores.json()["total"]["records"] == 0
    assert (await http.get(f"{RECORDS}/x")).status_code == 404
    for query in (
        {"event": "Bad event"},
        {"event": "e", "probability": 0},
        {"event": "e", "lead_hours": 400},
        {"event": "e", "since": "2026-10-01T00:00:00"},
        {"event": "e", "since": "2027-10-01T00:00:00Z"},
    ):
        assert (await http.get("/v1/predictions/scores", params=query)).status_code == 400, query
    for change in ({"happened_at": "2099-01-01T00:00:00Z"}, {"event": "E"}, {"subject": ""}):
        event = {
            "business_key": "W-1",
            "event": "e",
            "subject": "M1",
            "happened_at": "2026-10-01T00:00:00Z",
        }
        answer = await http.post("/v1/predictions/events", json={**event, **change})
        assert (answer.status_code, error_of(answer)["code"]) == (400, "prediction_invalid")


async def test_statement_is_downloaded_as_pdf_and_csv(told: Told) -> None:
    settlement = await told.settled()
    place = f"/v1/outcomes/settlements/{settlement['id']}/statement"
    for language in ("en", "zh"):
        pdf = await told.gateway.http.get(place, params={"language": language})
        assert pdf.content.startswith(b"%PDF"), pdf.text
    csv = await told.gateway.http.get(place, params={"format": "csv"})
    assert "amount,amount,,,,300.00" in csv.content.decode()
    assert msgspec.json.encode(settlement["predictions"]) == b"[]"
