"""A round from start to PDF over HTTP, errors on its way, and what another account sees."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from billing.outcomes.evidence.signatures import parse_public_key
from gateway.agents.public_ids import ROUND
from gateway.agents.rounds.photos import MAX_BYTES
from gateway.agents.rounds.runs import rounds_of
from gateway.agents.rounds.signing import is_authentic_report
from gateway.agents.rounds.store import list_rounds
from gateway.agents.store.agents import find_agent, read_definition
from infra import ids
from infra.clock import SystemClock
from tests.support.builders import CHAT, SPECIALIST, Gateway, client, customer
from tests.support.fakes.scripted_model import ScriptedModel
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.agents import document
from tests.support.gateway.errors import error_of
from tests.support.gateway.rounds import PICTURE, VIBRATION, photo, route
from tests.support.waiting import until_true

PATH = "/v1/agents"
TOOLS = [{"name": "writer", "kind": "language_model", "model": CHAT}]


async def post(gateway: Gateway, path: str, body: Any = None, status: int = 200) -> Any:
    answer = await gateway.http.post(path, json={} if body is None else body)
    assert answer.status_code == status, answer.text
    return answer.json() if status == 200 else error_of(answer)


async def started(gateway: Gateway, code: str = "P-1", **fields: Any) -> tuple[str, str]:
    """Return the agent and its round."""
    await post(gateway, "/v1/plant/assets", {"code": code, "name": "Feed pump 给水泵"})
    if code == "P-1":
        point = {"tag": "P1.V", "name": "Vibration", "unit": "mm/s", "asset": "P-1"}
        await post(gateway, "/v1/plant/points", point)
    stated = {"rules": [], "every": "10s", "actions": ["work_order"], "autonomy": "approve"}
    body = document(**{**stated, "asset": code, "round": route(), **fields})
    made = await post(gateway, PATH, {"definition": body})
    agent, warned = made["id"], [one["code"] for one in made["warnings"]]
    assert set(warned) <= {"round_point_not_found"}
    await post(gateway, f"{PATH}/{agent}/activate")
    begun = await post(gateway, f"{PATH}/{agent}/rounds")
    assert (begun["status"], begun["route"]["stops"][0]["asset"]) == ("open", code)
    assert (await post(gateway, f"{PATH}/{agent}/rounds"))["id"] == begun["id"]
    return agent, begun["id"]


def given(question: str, value: Any, **fields: Any) -> dict[str, Any]:
    now = SystemClock().now().isoformat()
    return {
        "key": f"k-{question}",
        "stop": 0,
        "question": question,
        "value": value,
        "answered_at": now,
        **fields,
    }


async def report_of(gateway: Gateway, round_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def is_complete() -> bool:
        gateway.parts.agent_runner.wake()
        answer = await gateway.http.get(f"{PATH}/rounds/{round_id}/report")
        found.update(answer.json())
        return bool(found.get("complete"))

    await until_true(is_complete)
    return found


async def test_round_becomes_readings_a_proposal_a_verified_summary_and_a_pdf(
    scripted: Gateway, model: ScriptedModel
) -> None:
    text = "Vibration is out of limits: 5.2 mm/s. The bearing will fail in 3 days."
    model.answers = [{"role": "assistant", "content": text}]
    agent, round_id = await started(scripted, tools=TOOLS, round=route(summary="writer"))
    path = f"{PATH}/rounds/{round_id}"
    wrong = given("vibration", 5.2, unit="bar")
    error = await post(scripted, f"{path}/answers", {"answers": [wrong]}, 400)
    assert (error["code"], error["param"]) == ("agent_round_answer_invalid", "answers[0].unit")
    answers = {
        "answers": [
            given("vibration", 0.0052, unit="m/s"),
            given("leak", True, note="two drops a minute"),
            given("noise", "low"),
        ]
    }
    await post(scripted, f"{path}/answers", answers)
    await post(scripted, f"{path}/answers", answers)  # sent again by a phone without an answer
    reused = {"answers": [given("leak", False)]}
    assert (await post(scripted, f"{path}/answers", reused, 400))["param"] == "answers[0].key"
    corrected = {"answers": [given("noise", "high", key="k-noise-2")]}
    await post(scripted, f"{path}/answers", corrected)
    added = f"{path}/photos?stop=0&question=leak&key=p1"
    for _ in range(2):
        stored = await scripted.http.post(added, content=photo((640, 480)))
        assert stored.status_code == 200, stored.text
    sent = await post(scripted, f"{path}/submit")
    assert (sent["status"], sent["late"], sent["out_of_limits"]) == ("submitted", False, 2)
    assert sent["readings"] == {"stored": 1, "errors": []}
    again = await post(scripted, f"{path}/submit")
    assert again["readings"]["stored"] == 0
    assert (await post(scripted, f"{path}/answers", corrected))["status"] == "submitted"
    closed = {"answers": [given("noise", "low", key="k-noise-3")]}
    assert (await post(scripted, f"{path}/answers", closed, 409))["code"] == "agent_round_closed"
    report = await report_of(scripted, round_id)
    assert report["report"]["summary"]["text"] == "Vibration is out of limits: 5.2 mm/s."
    questions = {one["id"]: one for one in report["report"]["stops"][0]["questions"]}
    assert (questions["noise"]["value"], questions["noise"]["corrections"]) == ("high", 1)
    assert questions["vibration"]["value"] == pytest.approx(5.2)
    assert len(questions["leak"]["photos"]) == 1
    proposals = (await scripted.http.get(f"{PATH}/actions?agent={agent}")).json()["data"]
    assert [(one["kind"], one["status"]) for one in proposals] == [("work_order", "proposed")]
    order = await post(scripted, f"{PATH}/actions/{proposals[0]['id']}/approve")
    entity = (await scripted.http.get(f"/v1/plant/entities/{order['entity']}")).json()
    assert entity["name"] == "检查 P-1（Pump 1）"
    steps = (await scripted.http.get(f"{PATH}/{agent}/steps")).json()["data"]
    assert [(one["name"], one["error"]) for one in steps] == [("summary", None)]
    rows = {row["operation"]: row for row in await scripted.rows(2)}
    assert rows["chat"]["tags"] == {"agent": agent}
    assert len(model.received) == 1
    assert "two drops" not in str(model.received[0])
    key = parse_public_key(report["public_key"])
    signed, name = (report["signature"], key), ids.parse_id(ROUND, report["id"])
    assert name is not None
    assert is_authentic_report(name, report["report"], *signed)
    assert not is_authentic_report(name, {**report["report"], "late": True}, *signed)
    assert not is_authentic_report(ids.new_id(), report["report"], *signed)
    for language, title in (("en", "Inspection round"), ("zh", "巡检报告")):
        pdf = await scripted.http.get(f"{path}/pdf?locale={language}")
        text = PdfReader(BytesIO(pdf.content)).pages[0].extract_text()
        assert title in text
        assert "Feed pump 给水泵" in text
        assert "\u200b" not in text
        assert report["signature"] in "".join(text.split())


async def test_photos_are_classified_by_the_allowed_specialist_as_many_as_calls_are_allowed(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.predicts = {"label": "crack", "probability": 0.875}
    picture = {**PICTURE, "photos": 2, "required": True}
    section = {"stops": [{"questions": [picture]}], "images": "seals"}
    tools = [{"name": "seals", "kind": "specialist", "model": SPECIALIST, "max_calls": 1}]
    agent, round_id = await started(gateway, round=section, tools=tools)
    path = f"{PATH}/rounds/{round_id}"
    for key in ("a", "b"):
        added = f"{path}/photos?stop=0&question=seal&key={key}"
        assert (await gateway.http.post(added, content=photo())).status_code == 200
    assert (await post(gateway, f"{path}/submit"))["out_of_limits"] == 0
    report = (await report_of(gateway, round_id))["report"]
    first, second = report["stops"][0]["questions"][0]["photos"]
    assert (first["label"], first["probability"], first["error"]) == ("crack", 0.875, None)
    assert (second["label"], second["error"]) == (None, "agent_max_calls")
    assert report["counts"]["out_of_limits"] == 1
    row = await gateway.row()
    assert (row["operation"], row["tags"]) == ("predictions", {"agent": agent})
    (step,) = (await gateway.http.get(f"{PATH}/{agent}/steps")).json()["data"]
    assert (step["request_id"], step["output"]["label"]) == (row["request_id"], "crack")
    shown = (await gateway.http.get(f"{PATH}/{agent}")).json()
    assert shown["spent"]["day"] == step["cost"] != "0.000000000"


async def test_photos_that_cannot_be_used_and_incomplete_rounds_are_refused(
    shared_gateway: Gateway,
) -> None:
    gateway = shared_gateway
    _, round_id = await started(gateway)
    path = f"{PATH}/rounds/{round_id}"
    error = await post(gateway, f"{path}/submit", None, 409)
    assert (error["code"], error["param"]) == ("agent_round_incomplete", "stops[0].vibration")
    added = f"{path}/photos?stop=0&question=leak&key="
    truncated = await gateway.http.post(f"{added}a", content=photo((400, 300))[:-300])
    assert error_of(truncated)["code"] == "agent_round_photo_invalid"
    huge = await gateway.http.post(f"{added}b", content=b"\xff\xd8" + b"0" * (MAX_BYTES + 10))
    assert huge.status_code == 413
    for key in ("c", "d"):
        assert (await gateway.http.post(f"{added}{key}", content=photo())).status_code == 200
    full = await gateway.http.post(f"{added}e", content=photo())
    assert error_of(full)["param"] == "question"
    none = await gateway.http.post(f"{path}/photos?stop=0&question=noise&key=f", content=photo())
    assert error_of(none)["code"] == "agent_round_photo_invalid"
    assert (await gateway.http.get(f"{path}/report")).status_code == 404
    assert (await post(gateway, f"{path}/cancel"))["status"] == "cancelled"
    assert (await post(gateway, f"{path}/submit", None, 409))["code"] == "agent_round_closed"


async def test_rounds_of_another_account_are_not_found(shared_gateway: Gateway) -> None:
    gateway = shared_gateway
    agent, round_id = await started(gateway, code="P-2")
    _, key = await customer(gateway.parts.database, gateway.parts.settings, "Other")
    paths = ("answers", "submit", "cancel", "photos?stop=0&question=leak&key=a")
    async with client(gateway.url, {"authorization": f"Bearer {key.secret}"}) as other:
        for name in ("", "/report", "/pdf", "/photos/photo_1"):
            found = await other.get(f"{PATH}/rounds/{round_id}{name}")
            assert (found.status_code, error_of(found)["code"]) == (404, "agent_round_not_found")
        for name in paths:
            body = photo() if name.startswith("photos") else b'{"answers": []}'
            refused = await other.post(f"{PATH}/rounds/{round_id}/{name}", content=body)
            assert refused.status_code == 404, name
        assert (await other.post(f"{PATH}/{agent}/rounds")).status_code == 404
        assert (await other.get(f"{PATH}/rounds")).json()["data"] == []


async def test_scheduled_round_begins_once_and_one_that_was_missed_can_still_be_submitted(
    shared_gateway: Gateway,
) -> None:
    gateway = shared_gateway
    agent, by_hand = await started(
        gateway, code="P-3", round=route(every="1d", at="06:00", within="1h")
    )
    await post(gateway, f"{PATH}/rounds/{by_hand}/cancel")
    begun = []
    for days in (0, 1, 1, 2):
        now = SystemClock().now() + timedelta(days=days)
        async with gateway.parts.database.transaction() as session:
            row = await find_agent(session, gateway.account.id, agent)
            definition = read_definition(row.definition)
            assert await rounds_of(session, [(row, definition)], now) == {}
            begun.append(len(await list_rounds(session, row.account_id, 10, None, row.id)))
    # The round whose time was before the agent was activated is not made up for.
    assert begun == [1, 2, 2, 3]
    rounds = (await gateway.http.get(f"{PATH}/rounds?agent={agent}")).json()["data"]
    assert [one["status"] for one in rounds] == ["open", "missed", "cancelled"]
    missed = f"{PATH}/rounds/{rounds[1]['id']}"
    answers = [given("vibration", 1), given("leak", False), given("noise", "low")]
    await post(gateway, f"{missed}/answers", {"answers": answers})
    assert (await post(gateway, f"{missed}/submit"))["status"] == "submitted"
    with_point = (await gateway.http.get(f"{missed}/report")).json()["report"]
    assert with_point["counts"]["answered"] == 3
    nowhere = {"asset": "NONE", "questions": [{**VIBRATION, "point": "NONE.V"}]}
    elsewhere = document(asset="P-3", rules=[], round={"stops": [nowhere]})
    made = await post(gateway, PATH, {"definition": elsewhere})
    assert [(one["code"], one["param"]) for one in made["warnings"]] == [
        ("round_asset_not_found", "round.stops[0].asset"),
        ("round_point_not_found", "round.stops[0].questions[0].point"),
    ]
