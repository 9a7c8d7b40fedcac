"""`/v1/moderations` with a moderation model and a guard model: verdicts, prices, refusals."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from billing.money import nano_from_text
from gateway.api.openapi.metered_calls import metered_paths
from tests.support.builders import CHAT, EMBEDDING, PLENTY, Gateway, Limited
from tests.support.fakes.guard_model import FakeGuardModel, run_fake_guard_model
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.batching import Batcher, extra, nano
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import nothing_is_held
from tests.support.gateway.moderating import GUARD, MODERATOR, QWEN_GUARD, moderating
from tests.support.json_schemas import jsonschema
from tests.support.openai_client import openai_client


@pytest.fixture
async def safety() -> AsyncIterator[FakeGuardModel]:
    async with run_fake_guard_model() as fake:
        yield fake


@pytest.fixture
async def checked(
    limited: Limited, safety: FakeGuardModel, upstream: FakeUpstream
) -> AsyncIterator[Gateway]:
    upstream.listed = [CHAT, EMBEDDING]  # own servers do not have the guard models
    async with limited(PLENTY, catalog=moderating(safety.url)) as gateway:
        yield gateway


async def moderate(gateway: Gateway, given: Any, headers: Any = None, **fields: Any) -> Any:
    body = {"input": given, **fields}
    return await gateway.http.post("/v1/moderations", json=body, headers=headers)


async def test_openai_client_gets_a_result_per_text(
    checked: Gateway, safety: FakeGuardModel
) -> None:
    async with openai_client(checked) as client:
        found = await client.moderations.create(input=["a seal", "a bomb"])
    assert [one.flagged for one in found.results] == [False, True]
    flagged = found.results[1]
    assert (flagged.categories.illicit_violent, flagged.categories.violence) == (True, False)
    assert flagged.category_scores.illicit_violent == 0.9
    assert flagged.category_applied_input_types.violence == ["text"]
    assert (found.model, found.id[:5]) == (MODERATOR, "modr-")
    assert safety.received[0] == {"model": "their-moderation", "input": ["a seal", "a bomb"]}
    row = await checked.row()
    assert (row["operation"], row["settlement"], row["cost"]) == (
        "moderation", "complete", "0.002000000"
    )  # fmt: skip


async def test_guard_model_gives_a_verdict_for_the_price_of_its_tokens(checked: Gateway) -> None:
    answer = await moderate(checked, "an insult", model=GUARD)
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    assert (result["flagged"], result["categories"]["hate"]) == (True, True)
    assert result["x_maas_hazards"] == ["S10"]
    row = await checked.row()
    assert (row["input_tokens"], row["output_tokens"]) == (200, 3)
    assert row["cost"] == answer.headers["x-maas-cost"] == "0.000206000"


async def test_qwen_guard_names_categories_and_says_how_sure_it_is(checked: Gateway) -> None:
    answer = await moderate(checked, "an insult", model=QWEN_GUARD)
    (result,) = answer.json()["results"]
    assert (result["flagged"], result["category_scores"]["harassment"]) == (True, 0.5)
    assert result["x_maas_hazards"] == ["Unethical Acts"]
    assert result["x_maas_safety"] == "controversial"
    assert (await checked.row())["cost"] == "0.000206000"


async def test_parts_are_one_input(checked: Gateway, safety: FakeGuardModel) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    answer = await moderate(checked, [{"type": "text", "text": "a seal"}, image])
    (result,) = answer.json()["results"]
    assert result["category_applied_input_types"]["violence"] == ["text", "image"]
    assert safety.received[0]["input"][1] == image


async def test_cost_above_the_limit_is_refused_before_anything_is_sent(
    checked: Gateway, safety: FakeGuardModel
) -> None:
    answer = await moderate(checked, ["a"] * 5, {"X-Max-Cost": "0.004"})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "max_cost_exceeded")
    assert safety.received == []
    await nothing_is_held(checked)


@pytest.mark.parametrize(
    ("body", "meter", "units"),
    [({"input": ["a", "b"]}, "rows", 2), ({"input": "a", "model": GUARD}, "input_tokens", 8_192)],
)
async def test_quote_bounds_the_cost_of_the_call(
    checked: Gateway, body: dict[str, Any], meter: str, units: int
) -> None:
    path = {"endpoint": "/v1/moderations"}
    quote = (await checked.http.post("/v1/quote", params=path, json=body)).json()
    assert (quote["endpoint"], quote[meter]) == ("/v1/moderations", units)
    answer = await checked.http.post("/v1/moderations", json=body)
    highest = nano_from_text(quote["max_cost"])
    assert 0 < nano_from_text(answer.headers["x-maas-cost"]) <= highest


@pytest.mark.parametrize("model", [MODERATOR, GUARD])
async def test_texts_are_checked_in_a_batch(
    checked: Gateway, upstream: FakeUpstream, model: str
) -> None:
    batcher, url = Batcher(checked, upstream), "/v1/moderations"
    lines = [
        {"custom_id": text, "method": "POST", "url": url, "body": {"model": model, "input": text}}
        for text in ("a seal", "a bomb")
    ]
    async with batcher.client:
        batch = await batcher.run(lines, url)
        results = [line["response"]["body"]["results"] for line in await batcher.results(batch)]
    assert [one["flagged"] for (one,) in results] == [False, True]
    rows = await checked.rows(2)
    assert sum(nano_from_text(row["cost"]) for row in rows) == nano(extra(batch, "cost")) > 0
    assert {row["service_tier"] for row in rows} == {"batch"}


async def test_answer_matches_the_openapi_document(checked: Gateway) -> None:
    paths, schemas = metered_paths(moderating(""))
    described = paths["/v1/moderations"]["post"]
    content = described["responses"]["200"]["content"]["application/json"]
    schema = {**content["schema"], "components": {"schemas": schemas}}
    for model in (MODERATOR, GUARD, QWEN_GUARD):
        answer = (await moderate(checked, "a bomb", model=model)).json()
        jsonschema.Draft202012Validator(schema).validate(answer)
    requests = described["requestBody"]["content"]["application/json"]["examples"]
    assert MODERATOR in [one["value"].get("model") for one in requests.values()]


async def test_answer_that_is_no_verdict_is_not_billed(
    checked: Gateway, safety: FakeGuardModel
) -> None:
    safety.says = "I would rather not say."
    answer = await moderate(checked, "a seal", model=GUARD)
    assert answer.status_code == 502
    assert (await checked.row())["cost"] == "0.000000000"


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ("", {}),
        ([], {}),
        (["a", {"type": "text", "text": "b"}], {}),
        ([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}], {}),
        (["a", "b"], {"model": GUARD}),
        ("a", {"threshold": 1}),
    ],
)
async def test_invalid_requests_are_rejected_before_they_are_sent(
    checked: Gateway, safety: FakeGuardModel, given: Any, fields: dict[str, Any]
) -> None:
    assert (await moderate(checked, given, **fields)).status_code == 400
    assert safety.received == []


async def test_without_a_moderation_model_it_is_not_found(gateway: Gateway) -> None:
    for fields in ({}, {"model": "omni-moderation-latest"}):
        answer = await moderate(gateway, "a", **fields)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(("text", "code"), [("a seal", 0), ("a bomb", 2)])
async def test_command_shows_the_verdict_and_the_cost(
    checked: Gateway, monkeypatch: pytest.MonkeyPatch, text: str, code: int
) -> None:
    leave_logs_alone(monkeypatch)
    monkeypatch.setenv("MAAS_API_KEY", checked.key.secret)
    command = ("guards", "check", text, "--model", GUARD, "--url", checked.url, "--json")
    exit_code, out = await invoke({}, *command)
    shown = json.loads(out)
    assert (exit_code, shown["flagged"]) == (code, code == 2)
    assert (shown["reported"], shown["cost"]) == (["S9"] if code else [], "0.000206000")
    monkeypatch.setenv("MAAS_API_KEY", "")
    exit_code, out = await invoke({}, *command)
    assert (exit_code, json.loads(out)["error"]["code"]) == (1, "api_unreachable")
