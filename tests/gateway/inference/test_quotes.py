"""Quotes: the upper bound of a call's cost before the call is sent. It holds for the call, and a
quote reserves nothing."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from tests.support.builders import CHAT, EMBEDDING, SPECIALIST, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import nothing_is_held
from tests.support.nightly import at_length

NANO = Decimal("0.000000001")
WORDS = st.lists(st.text("abc你é😀", min_size=1, max_size=9), min_size=1, max_size=30).map(" ".join)
SOME = settings(
    max_examples=at_length(100, 20),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def counting(gateway: Gateway, tmp_path: Path) -> Gateway:
    """The same gateway with a tokenizer of the chat model: one token per word."""
    made = tmp_path / "weights" / f"{CHAT}-test"
    made.mkdir(parents=True)
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(made / "tokenizer.json"))
    (made / "tokenizer_config.json").write_text("{}")
    (made / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    return gateway


async def quoted(gateway: Gateway, body: dict[str, Any]) -> dict[str, Any]:
    got = await gateway.http.post("/v1/quote", json=body)
    assert got.status_code == 200, got.text
    quote: dict[str, Any] = got.json()
    return quote


def chat(prompt: str = "one two three", **values: Any) -> dict[str, Any]:
    message = {"role": "user", "content": prompt}
    return {"model": CHAT, "messages": [message], "max_tokens": 5, **values}


class TestQuoteBounds:
    @SOME
    @given(WORDS, st.integers(1, 200), st.booleans())
    async def test_cost_of_call_is_within_quote(
        self, gateway: Gateway, prompt: str, most: int, stream: bool
    ) -> None:
        body = chat(prompt, max_tokens=most, stream=stream)
        quote = await quoted(gateway, body)
        cost = await self._cost(gateway, body)
        assert quote["input_tokens_are"] == "bounded"
        assert Decimal(quote["min_cost"]) <= cost <= Decimal(quote["max_cost"])

    @SOME
    @given(WORDS, st.integers(1, 200), st.sampled_from([1, 2]))
    async def test_quote_with_counted_prompt_is_exact(
        self, counting: Gateway, prompt: str, most: int, choices: int
    ) -> None:
        body = chat(prompt, max_tokens=most, n=choices)
        quote = await quoted(counting, body)
        words = len(prompt.split())
        assert (quote["input_tokens"], quote["input_tokens_are"]) == (words, "counted")
        assert quote["max_output_tokens"] == most * choices
        assert Decimal(quote["max_cost"]) == (words * 500 + most * choices * 2000) * NANO
        assert Decimal(quote["min_cost"]) == words * 100 * NANO  # all of it from the cache
        cost = await self._cost(counting, body)
        assert Decimal(quote["min_cost"]) <= cost <= Decimal(quote["max_cost"])
        if choices == 1:
            assert cost == Decimal(quote["max_cost"])  # the model used up its max_tokens

    @pytest.mark.parametrize("counted", [False, True])
    @pytest.mark.parametrize("stream", [False, True])
    async def test_max_cost_equal_to_quote_is_admitted(
        self, request: pytest.FixtureRequest, gateway: Gateway, counted: bool, stream: bool
    ) -> None:
        """X-Max-Cost equal to the quote is accepted; one nano-unit less is rejected."""
        if counted:
            request.getfixturevalue("counting")
        body = chat(stream=stream)
        most = Decimal((await quoted(gateway, body))["max_cost"])
        for cost, status in ((most, 200), (most - NANO, 400)):
            headers = {"x-max-cost": f"{cost:f}"}
            got = await gateway.http.post("/v1/chat/completions", json=body, headers=headers)
            assert got.status_code == status

    async def _cost(self, gateway: Gateway, body: dict[str, Any]) -> Decimal:
        got = await gateway.http.post("/v1/chat/completions", json=body)
        assert got.status_code == 200
        shown = await gateway.http.get("/v1/usage?limit=1")
        return Decimal(shown.json()["data"][0]["cost"])


class TestQuoteContent:
    async def test_chat_quote_has_all_fields(self, counting: Gateway) -> None:
        assert await quoted(counting, chat()) == {
            "object": "quote",
            "model": CHAT,
            "endpoint": "/v1/chat/completions",
            "currency": "CNY",
            "input_tokens": 3,
            "input_tokens_are": "counted",
            "max_output_tokens": 5,
            "rows": 0,
            "images": 0,
            "adaptation_seconds": 0,
            "readings": 0,
            "max_cost": "0.000011500",
            "min_cost": "0.000000300",
            "included": {},
            "balance": "100.000000000",
            "price_nano_per_unit": {
                "input_tokens": 500,
                "cached_input_tokens": 100,
                "output_tokens": 2000,
            },
        }

    async def test_quote_of_unlimited_stream_covers_whole_context(self, gateway: Gateway) -> None:
        """Although the call itself reserves one part at a time."""
        open_chat = chat(stream=True)
        del open_chat["max_tokens"]
        assert (await quoted(gateway, open_chat))["max_output_tokens"] == 4096

    async def test_completion_quote_multiplies_prompts_and_choices(self, counting: Gateway) -> None:
        body = {"model": CHAT, "prompt": ["one two", "three"], "n": 2, "max_tokens": 7}
        quote = await quoted(counting, body)
        assert (quote["endpoint"], quote["input_tokens"]) == ("/v1/completions", 3)
        assert quote["max_output_tokens"] == 2 * 2 * 7
        unlimited = await quoted(counting, {"model": CHAT, "prompt": "one"})
        assert unlimited["max_output_tokens"] == 16

    async def test_embeddings_quote_has_no_output_tokens(self, gateway: Gateway) -> None:
        body = {"model": EMBEDDING, "input": ["one two", "three"]}
        quote = await quoted(gateway, body)
        assert (quote["endpoint"], quote["max_output_tokens"]) == ("/v1/embeddings", 0)
        await gateway.http.post("/v1/embeddings", json=body)
        assert Decimal((await gateway.row())["cost"]) <= Decimal(quote["max_cost"])

    async def test_predictions_quote_is_exact(self, gateway: Gateway) -> None:
        rows = [{"torque": 1}] * 3
        quote = await quoted(gateway, {"model": SPECIALIST, "instances": rows})
        # 3 rows at 1,000,000 nano: an exact cost, not a bound.
        assert (quote["endpoint"], quote["rows"]) == ("/v1/predictions", 3)
        assert (quote["max_cost"], quote["min_cost"]) == ("0.003000000", "0.003000000")

    async def test_quote_has_remaining_balance(self, gateway: Gateway) -> None:
        await gateway.chat("one two")
        # 2 x 500 + 5 x 2000 = 11,000 nano-yuan.
        assert (await quoted(gateway, chat()))["balance"] == "99.999989000"

    async def test_quote_sends_no_request_and_reserves_nothing(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        for _ in range(5):
            await quoted(gateway, chat(max_tokens=4000))
        assert upstream.received == []
        await gateway.rows(0)
        await nothing_is_held(gateway)


class TestRejectedQuote:
    @pytest.mark.parametrize(
        ("body", "status", "code", "param"),
        [
            (b"", 400, "invalid_json", None),
            (b"[]", 400, "invalid_json", None),
            (b"\xff", 400, "invalid_json", None),
            (b"{}", 400, "invalid_value", None),
            (b'{"model":"%s"}', 400, "invalid_value", None),
            (b'{"model":"%s","prompt":"x","input":"x"}', 400, "invalid_value", None),
            (b'{"model":"%s","messages":[]}', 400, "invalid_value", "messages"),
            (b'{"model":"%s","prompt":"x","max_tokens":0}', 400, "invalid_value", "max_tokens"),
            (b'{"model":"%s","prompt":"x","priority":1}', 400, "unknown_parameter", "priority"),
            (b'{"model":"%s","input":"x"}', 400, "model_not_supported", "model"),
            (b'{"model":"%s","instances":[{}]}', 400, "model_not_supported", "model"),
            (b'{"model":"nope","prompt":"x"}', 404, "model_not_found", "model"),
            (b'{"model":"%s","prompt":"' + b"x" * 70_000 + b'"}', 413, "request_too_large", None),
        ],
    )
    async def test_invalid_quote_request_returns_same_error_as_call(
        self, gateway: Gateway, body: bytes, status: int, code: str, param: str | None
    ) -> None:
        content = body.replace(b"%s", CHAT.encode())
        got = await gateway.http.post("/v1/quote", content=content)
        error = error_of(got)
        assert (got.status_code, error["code"], error["param"]) == (status, code, param)

    async def test_quote_without_key_returns_401(self, gateway: Gateway) -> None:
        gateway.http.headers.pop("authorization")
        got = await gateway.http.post("/v1/quote", json=chat())
        assert (got.status_code, error_of(got)["code"]) == (401, "missing_api_key")


RESPONSE: dict[str, Any] = {"model": CHAT, "input": "one two three", "max_output_tokens": 5}
MESSAGE: dict[str, Any] = {
    "model": CHAT, "max_tokens": 5, "messages": [{"role": "user", "content": "one two three"}],
}  # fmt: skip


class TestNamedEndpoint:
    @pytest.mark.parametrize(
        ("path", "body"), [("/v1/responses", RESPONSE), ("/v1/messages", MESSAGE)]
    )
    async def test_quote_of_another_text_format_covers_its_call(
        self, gateway: Gateway, path: str, body: dict[str, Any]
    ) -> None:
        got = await gateway.http.post(f"/v1/quote?endpoint={path}", json=body)
        assert got.status_code == 200, got.text
        quote = got.json()
        assert (quote["endpoint"], quote["model"], quote["max_output_tokens"]) == (path, CHAT, 5)
        answer = await gateway.http.post(path, json=body)
        assert Decimal(0) < Decimal(answer.headers["x-maas-cost"]) <= Decimal(quote["max_cost"])

    async def test_unknown_endpoint_is_refused_with_the_known_ones(self, gateway: Gateway) -> None:
        got = await gateway.http.post("/v1/quote?endpoint=/v1/batches", json=RESPONSE)
        error = error_of(got)
        assert (got.status_code, error["param"]) == (400, "endpoint")
        assert "/v1/responses" in error["message"]

    async def test_response_that_continues_a_stored_one_has_no_quote(
        self, gateway: Gateway
    ) -> None:
        body = {**RESPONSE, "previous_response_id": "resp_1"}
        got = await gateway.http.post("/v1/quote?endpoint=/v1/responses", json=body)
        assert error_of(got)["param"] == "previous_response_id"
