"""Rejected fine-tuning requests, and quotes: neither leaves a job behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import APIStatusError

from tests.support.builders import BEARING_LIFE, CATALOG, REMAINING_LIFE, Emptying
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, Talker, code_of
from tests.support.gateway.dialogues import INDUSTRY, SECOND, TEXTS, dialogue, dialogues, file
from tests.support.gateway.errors import error_of
from tests.support.gateway.lasting import Lasting, run_lasting

PRICE = CATALOG.models[REMAINING_LIFE].prices["CNY"]["adaptation_seconds"]
ANOTHER_ACCOUNT = "acct_" + "0" * 32
MOST_S = 1800
CALL = {"id": "1", "type": "function", "function": {"name": "stop", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}


@pytest.fixture(scope="module")
async def served(postgres: str, emptying: Emptying, lasting: object) -> AsyncIterator[Lasting]:
    """One gateway for the module; no test leaves a job on it."""
    async with run_lasting(postgres, emptying, TEXTS) as running:
        yield running


@pytest.fixture
def customer(served: Lasting) -> Customer:
    return Customer(served.gateway, served.openai)


@pytest.fixture
def talker(served: Lasting) -> Talker:
    return Talker(served.gateway, served.openai)


@pytest.fixture
def upstream(served: Lasting) -> FakeUpstream:
    return served.upstream


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"suffix": "Line 3"}, "suffix"),
        ({"suffix": "x" * 41}, "suffix"),
        ({"hyperparameters": {"n_epochs": 3}}, "hyperparameters"),
        ({"validation_file": "file_1"}, "validation_file"),
        ({"integrations": [{"type": "wandb"}]}, "integrations"),
        ({"method": {"type": "dpo"}}, "method"),
        ({"model": BEARING_LIFE}, "model"),
        ({"model": "nothing"}, "model"),
        ({"training_file": "file_1"}, "file"),
        ({"colour": "red"}, "colour"),
        ({"metadata": {str(at): "x" for at in range(17)}}, "metadata"),
    ],
)
async def test_invalid_job_field_is_rejected_by_name(
    customer: Customer, more: dict[str, Any], param: str
) -> None:
    body = {"model": REMAINING_LIFE, "training_file": await customer.sends(), **more}
    answer = await customer.gateway.http.post("/v1/fine_tuning/jobs", json=body)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("{", "Line 17"),
        ('{"prompt": "a", "completion": "b"}', "Line 17"),
        (json.dumps({"messages": [{"role": "robot", "content": "x"}]}), "Line 17"),
        (json.dumps({"messages": [{"role": "user", "content": "x"}]}), "must alternate"),
        (file(dialogue("x", " ")).decode(), "Line 17, `messages[1].content` is empty"),
        (
            json.dumps({"messages": [{"role": "user", "content": "x"}, CALLING]}),
            "Line 17, `messages[1].tool_calls`: tool calls are not supported",
        ),
        (
            file(dialogue("my key", "sk-" + "a1B2" * 12)).decode(),
            "Line 17 contains an API key",
        ),
        (
            file(dialogue(f"orders of {ANOTHER_ACCOUNT}", "none")).decode(),
            "Line 17 contains another account's id",
        ),
    ],
)
async def test_invalid_dialogue_line_is_reported_before_a_job_is_queued(
    talker: Talker, upstream: FakeUpstream, wrong: str, told: str
) -> None:
    error = await talker.refused(dialogues() + b"\n" + wrong.encode())
    assert (error["code"], error["param"]) == ("invalid_training_file", "training_file")
    assert told in error["message"]
    assert upstream.learner.files == []


async def test_line_of_ten_megabytes_is_rejected(talker: Talker) -> None:
    long = file(dialogue("x" * (10 << 20), "y"))
    error = await talker.refused(dialogues() + b"\n" + long)
    assert "Line 17 is larger than 64 KiB" in error["message"]


@pytest.mark.parametrize(
    ("content", "told"),
    [(file(dialogue("a", "b")), "There are 1 different"), (b'{"do": "8"}', "Line 1")],
)
async def test_file_with_too_few_or_no_dialogues_is_rejected(
    talker: Talker, content: bytes, told: str
) -> None:
    assert told in (await talker.refused(content))["message"]


@pytest.mark.parametrize("limit", ["0.000000001", "0"])
async def test_max_cost_below_the_likely_cost_is_rejected(talker: Talker, limit: str) -> None:
    with pytest.raises(APIStatusError) as caught:
        await talker.asks(extra_headers={"X-Max-Cost": limit})
    assert code_of(caught.value) == "max_cost_exceeded"
    assert (await talker.openai.fine_tuning.jobs.list()).data == []


async def test_max_cost_below_a_specialist_maximum_is_rejected(customer: Customer) -> None:
    with pytest.raises(APIStatusError) as caught:
        await customer.asks(extra_headers={"X-Max-Cost": "0.000000001"})
    assert code_of(caught.value) == "max_cost_exceeded"


async def test_scrub_option_is_rejected_for_specialists(customer: Customer) -> None:
    with pytest.raises(APIStatusError) as caught:
        await customer.openai.fine_tuning.jobs.create(
            model=REMAINING_LIFE,
            training_file=await customer.sends(),
            extra_body={"scrub": True},
        )
    assert caught.value.param == "scrub"


@pytest.mark.parametrize("number", ["1", "..%2f..%2fmetrics", "1%0d%0ax:%20y", "x" * 41])
async def test_version_in_path_cannot_reach_other_upstream_paths(
    customer: Customer, upstream: FakeUpstream, number: str
) -> None:
    before = len(upstream.received)
    tensor = {"name": "T24", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    answer = await customer.gateway.http.post(
        f"/v2/models/{REMAINING_LIFE}/versions/{number}/infer", json={"inputs": [tensor]}
    )
    assert answer.status_code == (200 if number == "1" else 404)
    assert len(upstream.received) - before == (1 if number == "1" else 0)


@pytest.mark.parametrize("name", [REMAINING_LIFE, "ft:x", "nothing"])
async def test_deleting_a_base_or_unknown_model_returns_404(customer: Customer, name: str) -> None:
    with pytest.raises(APIStatusError) as caught:
        await customer.openai.models.delete(name)
    assert caught.value.status_code == 404


async def quote_of(talker: Customer, content: bytes, **more: Any) -> Any:
    body = {"model": talker.model, "training_file": await talker.sends_file(content), **more}
    return await talker.gateway.http.post("/v1/quote", json=body)


async def test_specialist_quote_has_the_maximum_training_cost(customer: Customer) -> None:
    body = {"model": REMAINING_LIFE, "training_file": await customer.sends()}
    quote = (await customer.gateway.http.post("/v1/quote", json=body)).json()
    assert quote["max_cost"] == f"{300 * PRICE / 1e9:.9f}"


async def test_language_quote_has_likely_and_maximum_cost(talker: Talker) -> None:
    quote = (await quote_of(talker, dialogues(count=64))).json()
    assert (quote["examples"], quote["held_out"], quote["warnings"]) == (56, 8, [])
    assert quote["max_cost"] == f"{MOST_S * SECOND / 1e9:.9f}"
    assert 10 <= quote["likely_seconds"] <= 60
    assert quote["likely_cost"] == f"{quote['likely_seconds'] * SECOND / 1e9:.9f}"
    more = (await quote_of(talker, dialogues(count=640))).json()
    assert more["likely_seconds"] > quote["likely_seconds"]
    assert (await talker.openai.fine_tuning.jobs.list()).data == []


async def test_quote_of_an_invalid_file_is_rejected(talker: Talker) -> None:
    answer = await quote_of(talker, b"{")
    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_training_file")


async def test_quote_of_an_unknown_file_returns_404(talker: Talker) -> None:
    body = {"model": INDUSTRY, "training_file": "file_1"}
    answer = await talker.gateway.http.post("/v1/quote", json=body)
    assert (answer.status_code, error_of(answer)["code"]) == (404, "file_not_found")


async def test_concurrent_quotes_of_large_files_all_succeed(talker: Talker) -> None:
    files = [await talker.sends_file(dialogues(count=400)) for _ in range(4)]
    bodies = [{"model": INDUSTRY, "training_file": one} for one in files]
    answers = await asyncio.gather(
        *(talker.gateway.http.post("/v1/quote", json=body) for body in bodies)
    )
    assert [answer.status_code for answer in answers] == [200] * 4
