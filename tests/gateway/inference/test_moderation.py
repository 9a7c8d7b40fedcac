"""`/v1/moderations` with a moderation model and a guard model: verdicts, prices, refusals."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.builders import CHAT, EMBEDDING, PLENTY, Gateway, Limited
from tests.support.fakes.guard_model import FakeGuardModel, run_fake_guard_model
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import nothing_is_held
from tests.support.gateway.moderating import GUARD, MODERATOR, moderating
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
