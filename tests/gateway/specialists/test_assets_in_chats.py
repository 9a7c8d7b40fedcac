"""Chats, responses, decisions, batches and tools about an asset of the plant model.

The language model is the fake one; the specialists, which predict from readings, are the real ones.
"""

from typing import Any

import pytest

from infra.clock import SystemClock
from tests.support.builders import CHAT, REMAINING_LIFE, SPECIALIST, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of
from tests.support.gateway.mcp_calls import call
from tests.support.heavy import NEEDS_MCP
from tests.support.plant.mills import create_mill, post, send_readings

TOOL: dict[str, Any] = {"type": "specialist", "models": [SPECIALIST]}
# The quality grade of a product has no point.
QUESTION = "Product type L. Will the mill M1 fail?"


async def verdicts(gateway: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await gateway.http.get("/v1/plant/assets/M1/verdicts")).json()[
        "data"
    ]
    return found


async def chat(gateway: Gateway, text: str, **more: Any) -> dict[str, Any]:
    answer = await gateway.chat(text, max_tokens=60, **more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("text", "read"),
    [(QUESTION, "Inputs read from M1:"), ("L级产品，M1 会出故障吗？", "输入取自 M1 的测点：")],
    ids=["english", "chinese"],
)
async def test_readings_of_the_named_asset_give_a_verdict_with_its_record(
    both: Gateway, text: str, read: str
) -> None:
    await create_mill(both)
    await send_readings(both, SystemClock().now())
    body = await chat(both, text, tools=[TOOL])
    (decision,) = body["x_maas_decisions"]
    assert (decision["model"], decision["verdict"]) == (SPECIALIST, "yes")
    assert decision["inputs"]["air_temperature"]["value"] == pytest.approx(298.1)  # from °C
    assert decision["inputs"]["air_temperature"]["source"] == "asset"
    assert decision["inputs"]["type"]["source"] == "text"
    asset = body["x_maas_asset"]
    assert (asset["code"], asset["models"][0]["missing"]) == ("M1", [])
    assert {one["tag"] for one in asset["models"][0]["inputs"]} >= {"M1.TA", "M1.WEAR"}
    content = body["choices"][0]["message"]["content"]
    assert read in content
    assert "M1.TA" in content
    (verdict,) = await verdicts(both)
    assert verdict["request_id"] == decision["request_id"]
    assert verdict["decision_record"] == decision["id"]
    assert verdict["prediction"]["failure"] == 1
    origins = {one["name"]: one["origin"] for one in verdict["inputs"]}
    assert (origins["type"], origins["torque"]) == ("text", "name")
    rows = await both.rows(5)  # also the readings, and a second, waived answer
    steps = [row["operation"] for row in rows if row["parent_id"] is not None]
    assert steps.count("predictions") == 1


async def test_auto_calls_the_specialist_because_the_text_names_an_asset(both: Gateway) -> None:
    await create_mill(both)
    await send_readings(both, SystemClock().now())
    body = await chat(both, QUESTION, model="auto")
    assert [one["verdict"] for one in body["x_maas_decisions"]] == ["yes"]
    assert len(await verdicts(both)) == 1


async def test_asset_that_a_later_message_names_is_predicted_without_the_question_again(
    both: Gateway,
) -> None:
    await create_mill(both)
    await send_readings(both, SystemClock().now())
    messages = [
        {"role": "user", "content": "Product type L. Will the mill fail?"},
        {"role": "assistant", "content": "Which one?"},
        {"role": "user", "content": "M1"},
    ]
    body = {"model": CHAT, "messages": messages, "tools": [TOOL], "max_tokens": 60}
    answer = (await both.http.post("/v1/chat/completions", json=body)).json()
    assert [one["verdict"] for one in answer["x_maas_decisions"]] == ["yes"]


async def test_chat_that_names_no_asset_costs_what_it_did_and_makes_no_step(
    both: Gateway, model: FakeUpstream
) -> None:
    question = "Will the mill M7 fail?"
    first = await both.chat(question, max_tokens=60, model="auto")
    await create_mill(both)
    second = await both.chat(question, max_tokens=60, model="auto")
    assert first.headers["x-maas-cost"] == second.headers["x-maas-cost"]
    assert "x_maas_asset" not in second.json()
    assert len(model.received) == 2


async def test_missing_points_are_reported_and_asked_for(both: Gateway) -> None:
    await create_mill(both)
    body = await chat(both, QUESTION, tools=[TOOL])
    assert body["x_maas_answer"] == "asked"
    assert "torque" in body["x_maas_missing"]
    (read,) = body["x_maas_asset"]["models"]
    assert {"name": "torque", "reason": "no_reading", "tag": "M1.TQ"} in read["missing"]
    assert "No usable reading of M1 for:" in body["choices"][0]["message"]["content"]
    assert await verdicts(both) == []


async def test_several_named_assets_are_not_mixed(both: Gateway) -> None:
    await create_mill(both)
    await send_readings(both, SystemClock().now())
    await post(both, "/v1/plant/assets", {"code": "M2", "name": "Mill 2"})
    body = await chat(both, "Product type L. Will M1 or M2 fail?", tools=[TOOL])
    assert [one["code"] for one in body["x_maas_asset"]["ambiguous"]] == ["M1", "M2"]
    assert body["x_maas_decisions"] == []
    assert await verdicts(both) == []


async def test_asset_of_the_tool_is_used_and_an_unknown_one_refused(both: Gateway) -> None:
    await create_mill(both)
    await send_readings(both, SystemClock().now())
    tool = {**TOOL, "asset": "M1"}
    body = await chat(both, "Product type L. Will it fail?", tools=[tool])
    assert [one["verdict"] for one in body["x_maas_decisions"]] == ["yes"]
    unknown = await both.chat("Will it fail?", tools=[{**TOOL, "asset": "none"}])
    assert error_of(unknown)["code"] == "plant_node_not_found"


async def test_response_has_the_asset_and_stores_the_verdict(both: Gateway) -> None:
    await create_mill(both)
    await send_readings(both, SystemClock().now())
    body = {"model": CHAT, "input": QUESTION, "tools": [TOOL], "max_output_tokens": 60}
    answer = await post(both, "/v1/responses", body)
    assert answer["x_maas_asset"]["code"] == "M1"
    assert [one["request_id"] for one in await verdicts(both)] == [
        answer["x_maas_decisions"][0]["request_id"]
    ]


async def test_decision_about_an_asset_has_the_probability_of_its_readings(real: Gateway) -> None:
    await create_mill(real)
    await send_readings(real, SystemClock().now())
    question = {"type": "predicate", "instructions": "The machine fails."}
    body: dict[str, Any] = {
        "model": SPECIALIST,
        "asset": "M1",
        "asset_options": {"values": {"type": "L"}},
        "questions": [question],
    }
    answer = await post(real, "/v1/decisions", body)
    assert answer["answers"][0]["probability"] > 0.9
    assert answer["asset"]["code"] == "M1"
    (verdict,) = await verdicts(real)
    assert (verdict["request_id"], verdict["prediction"]["failure"]) == (answer["id"], 1)
    other = {**question, "specialist": {"model": REMAINING_LIFE}}
    mixed = {
        **body,
        "model": CHAT,
        "questions": [{**question, "specialist": {"model": SPECIALIST}}],
    }
    mixed["questions"].append(other)
    refused = await real.http.post("/v1/decisions", json=mixed)
    assert error_of(refused)["code"] == "asset_inputs_invalid"


async def test_auto_prediction_of_an_asset_chooses_the_specialist_by_the_task(
    real: Gateway,
) -> None:
    await create_mill(real)
    await send_readings(real, SystemClock().now())
    body = {
        "model": "auto",
        "asset": "M1",
        "task": "will the milling machine fail",
        "asset_options": {"values": {"type": "L"}},
    }
    assert (await post(real, "/v1/predictions", body))["model"] == SPECIALIST
    refused = await real.http.post("/v1/predictions", json={**body, "task": ""})
    assert error_of(refused)["param"] == "task"


async def test_quote_of_an_asset_is_that_of_a_row(real: Gateway) -> None:
    await create_mill(real)
    quote = await post(real, "/v1/quote", {"model": SPECIALIST, "asset": "M1"})
    assert (quote["endpoint"], quote["rows"]) == ("/v1/predictions", 1)


async def test_mapped_inputs_of_a_model_are_used_for_each_asset(real: Gateway) -> None:
    points = (("M1.X", "Spindle", "Nm", 65.0),)
    await create_mill(real, points=points)
    path = f"/v1/plant/models/{SPECIALIST}/inputs"
    mapped = {"inputs": {"torque": {"tag": "{asset}.X"}, "tool_wear": {"concept": "none"}}}
    assert (await post(real, path, mapped))["inputs"]["torque"] == {"tag": "{asset}.X"}
    await send_readings(real, SystemClock().now(), points)
    answer = await real.http.post("/v1/predictions", json={"model": SPECIALIST, "asset": "M1"})
    message = error_of(answer)["message"]
    assert "`tool_wear` has no point" in message
    assert "torque" not in message
    unknown = await real.http.post(path, json={"inputs": {"nothing": {"tag": "x"}}})
    assert error_of(unknown)["code"] == "asset_inputs_invalid"


@NEEDS_MCP
async def test_tools_find_an_asset_predict_it_and_list_its_verdicts(real: Gateway) -> None:
    await create_mill(real)
    await send_readings(real, SystemClock().now())
    found = await call(real, "find_assets", {"text": "Mill"})
    assert [one["code"] for one in found["structuredContent"]["assets"]] == ["M1"]
    wanted = {"model": SPECIALIST, "asset": "M1", "values": {"type": "L"}}
    predicted = (await call(real, "predict_asset", wanted))["structuredContent"]
    assert predicted["values"]["failure"] == 1
    listed = await call(real, "asset_verdicts", {"asset": "M1"})
    assert [one["request_id"] for one in listed["structuredContent"]["verdicts"]] == [
        predicted["request_id"]
    ]
    refused = await call(real, "predict_asset", {**wanted, "asset": "other"})
    assert refused["isError"] is True
