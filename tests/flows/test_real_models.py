"""The main job with real parts: official clients, our gateway, Ray Serve, vLLM, ONNX Runtime."""

import asyncio
import json
import re
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from openai import AsyncOpenAI, BadRequestError
from tritonclient.utils import InferenceServerException

from models.rul.data import SENSORS
from tests.support.builders import (
    BEARING_LIFE,
    CATALOG,
    CHAT,
    EMBEDDING,
    REMAINING_LIFE,
    SPECIALIST,
    Gateway,
)
from tests.support.models.made_up_engines import engine

pytestmark = pytest.mark.serving

QUESTION = {"role": "user", "content": "Name one reason why a bearing runs hot."}
# An operating point that the data set's healthy machines have, and one that overstrains its tool.
HEALTHY = {
    "type": "M",
    "air_temperature": 298.1,
    "process_temperature": 308.6,
    "rotational_speed": 1551,
    "torque": 42.8,
    "tool_wear": 0,
}
OVERSTRAINED = {**HEALTHY, "type": "L", "torque": 65.0, "tool_wear": 220, "rotational_speed": 1300}


def client(gateway: Gateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret, max_retries=0)


def cost(row: dict[str, Any], model: str) -> str:
    """Worked out again from the row's quantities and the list prices."""
    prices = CATALOG.models[model].prices["CNY"]
    cached = row["cached_input_tokens"] or 0
    nano = (
        (row["input_tokens"] - cached) * prices["input_tokens"]
        + cached * prices["cached_input_tokens"]
        + row["output_tokens"] * prices["output_tokens"]
    )
    return f"{nano / 1e9:.9f}"


class TestText:
    async def test_plain(self, real: Gateway) -> None:
        async with client(real) as openai:
            answer = await openai.chat.completions.create(
                model=CHAT, messages=[QUESTION], max_tokens=24, temperature=0
            )
        assert answer.choices[0].message.content
        assert answer.usage is not None
        row = await real.row()
        assert row["settlement"] == "complete"
        assert row["input_tokens"] == answer.usage.prompt_tokens
        assert row["output_tokens"] == answer.usage.completion_tokens
        assert row["cost"] == cost(row, CHAT)

    async def test_streamed_says_the_same_as_plain(self, real: Gateway) -> None:
        values: dict[str, Any] = {
            "model": CHAT,
            "messages": [QUESTION],
            "max_tokens": 16,
            "temperature": 0,
        }
        async with client(real) as openai:
            plain = await openai.chat.completions.create(**values)
            stream = await openai.chat.completions.create(
                **values, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in stream]
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == plain.choices[0].message.content
        assert chunks[-1].usage is not None
        assert [c.usage for c in chunks[:-1]] == [None] * (len(chunks) - 1)
        streamed, _ = await real.rows(2)
        assert streamed["output_tokens"] == chunks[-1].usage.completion_tokens
        assert streamed["cost"] == cost(streamed, CHAT)

    async def test_streamed_without_asking_for_usage(self, real: Gateway) -> None:
        answer = await real.chat("hello", max_tokens=6, stream=True, ignore_eos=True)
        assert answer.text.endswith("data: [DONE]\n\n")
        assert '"usage"' not in answer.text
        assert (await real.row())["output_tokens"] == 6

    async def test_completions(self, real: Gateway) -> None:
        async with client(real) as openai:
            answer = await openai.completions.create(
                model=CHAT, prompt=["The pump", "The valve"], max_tokens=4
            )
        assert len(answer.choices) == 2
        assert (await real.row())["output_tokens"] == answer.usage.completion_tokens  # type: ignore[union-attr]

    async def test_aborted_in_the_middle(self, real: Gateway) -> None:
        """Tokens billed are the tokens that were generated: those of the newest chunk."""
        generated = 0
        async with client(real) as openai:
            stream = await openai.chat.completions.create(
                model=CHAT,
                messages=[QUESTION],
                max_tokens=2000,
                stream=True,
                stream_options={"include_usage": True, "continuous_usage_stats": True},  # type: ignore[typeddict-unknown-key]
                extra_body={"ignore_eos": True},
            )
            async for chunk in stream:
                assert chunk.usage is not None
                generated = chunk.usage.completion_tokens
                if generated >= 20:
                    break
            await stream.close()
        row = await real.row()
        assert (row["settlement"], row["status"]) == ("client_abort", 499)
        # Between the client's last read and its leaving, the engine may have made a token or two.
        assert generated <= row["output_tokens"] <= generated + 3
        assert row["cost"] == cost(row, CHAT)
        await self._engine_is_free(real)

    async def _engine_is_free(self, real: Gateway) -> None:
        """The generation was cancelled: 2000 tokens more would hold the engine for many seconds."""
        async with asyncio.timeout(10):
            assert (await real.chat("hi", max_tokens=2)).status_code == 200

    async def test_structured_output(self, real: Gateway) -> None:
        schema = {
            "type": "object",
            "properties": {
                "part": {"enum": ["bolt", "nut"]},
                "count": {"type": "integer", "minimum": 1, "maximum": 99},
            },
            "required": ["part", "count"],
            "additionalProperties": False,
        }
        async with client(real) as openai:
            answer = await openai.chat.completions.create(
                model=CHAT,
                messages=[{"role": "user", "content": "Order three bolts. JSON only."}],
                max_tokens=60,
                temperature=0,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "order", "schema": schema},
                },
            )
        order = json.loads(answer.choices[0].message.content or "")
        assert order["part"] in ("bolt", "nut")
        assert 1 <= order["count"] <= 99

    @pytest.mark.parametrize("stream", [False, True])
    async def test_a_prompt_that_is_too_long(self, real: Gateway, stream: bool) -> None:
        async with client(real) as openai:
            with pytest.raises(BadRequestError) as caught:
                await openai.chat.completions.create(
                    model=CHAT,
                    messages=[{"role": "user", "content": "word " * 5000}],
                    stream=stream,
                )
        assert caught.value.code == "context_length_exceeded"
        row = await real.row()
        assert (row["settlement"], row["cost"]) == ("refused", "0.000000000")

    @pytest.mark.parametrize(
        ("values", "code", "param"),
        [
            ({"max_tokens": 100_000}, "context_length_exceeded", "max_tokens"),
            ({"response_format": {"type": "xml"}}, "invalid_value", "response_format.type"),
            (
                {
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "x", "schema": {"type": "nonsense"}},
                    }
                },
                "invalid_value",
                "response_format",
            ),
            (
                {
                    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
                    "tool_choice": {"type": "function", "function": {"name": "g"}},
                },
                "invalid_value",
                None,
            ),
            ({"top_k": "many"}, "invalid_value", "top_k"),
            ({"logit_bias": {"x": 1}}, "invalid_value", None),
        ],
    )
    @pytest.mark.parametrize("stream", [False, True])
    async def test_the_engines_refusals_are_translated(
        self, real: Gateway, values: dict[str, Any], code: str, param: str | None, stream: bool
    ) -> None:
        answer = await real.chat("hi", stream=stream, **values)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["code"], param is None or error["param"] == param) == (code, True)
        assert not re.search(r"ray\.|vllm|Request ID|Traceback|exception", answer.text)


class TestEmbeddings:
    async def test_close_meanings_are_close(self, real: Gateway) -> None:
        texts = ["the pump leaks oil", "oil drips from the pump", "the invoice is overdue"]
        async with client(real) as openai:
            answer = await openai.embeddings.create(model=EMBEDDING, input=texts)
        vectors = np.array([item.embedding for item in answer.data])
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
        assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
        assert (await real.row())["input_tokens"] == answer.usage.prompt_tokens > 0

    async def test_too_long_a_text_is_not_cut_silently(self, real: Gateway) -> None:
        async with client(real) as openai:
            with pytest.raises(BadRequestError) as caught:
                await openai.embeddings.create(model=EMBEDDING, input="word " * 1000)
        assert caught.value.code == "context_length_exceeded"


class TestMechanism:
    """C/P = 30/5 = 6, so L10 = 216 million revolutions, in 2400 h at 1500 a minute."""

    ROW = MappingProxyType(
        {
            "bearing": "ball",
            "dynamic_load_rating": 30,
            "equivalent_load": 5000,
            "rotational_speed": 25,
            "reliability": 90,
            "a_iso": 1,
        }
    )
    UNITS = MappingProxyType({"dynamic_load_rating": "kN", "rotational_speed": "1/s"})

    async def test_rows_with_units(self, real: Gateway) -> None:
        body = {"model": BEARING_LIFE, "instances": [{**self.ROW}], "units": {**self.UNITS}}
        answer = (await real.http.post("/v1/predictions", json=body)).json()
        assert answer["predictions"][0]["basic_rating_time"] == pytest.approx(2400)
        row = await real.row()
        assert (row["rows"], row["cost"]) == (1, "0.000200000")

    async def test_the_protocol_with_units(self, real: Gateway) -> None:
        inputs = [
            {
                "name": name,
                "shape": [1],
                "datatype": "BYTES" if isinstance(value, str) else "FP64",
                "data": [value],
                "parameters": {"unit": self.UNITS[name]} if name in self.UNITS else {},
            }
            for name, value in self.ROW.items()
        ]
        path = f"/v2/models/{BEARING_LIFE}"
        answer = (await real.http.post(f"{path}/infer", json={"inputs": inputs})).json()
        life = {output["name"]: output["data"] for output in answer["outputs"]}
        assert life["basic_rating_life"] == [pytest.approx(216)]
        described = (await real.http.get(path)).json()
        assert described["platform"] == "ISO 281:2007"

    async def test_a_refusal_names_field_row_and_unit(self, real: Gateway) -> None:
        body = {"model": BEARING_LIFE, "instances": [{**self.ROW}] * 2, "units": {"a_iso": "kN"}}
        error = (await real.http.post("/v1/predictions", json=body)).json()["error"]
        assert (error["param"], error["code"]) == ("a_iso", "invalid_value")
        assert "'kN'" in error["message"]


class TestRemainingLife:
    """A history a row: each sensor's readings are a list, one for each cycle."""

    async def test_two_machines_in_another_unit(self, real: Gateway) -> None:
        histories = [_history(seed, life=90) for seed in (1, 2)]
        kelvin = [{**one, "T50": [value / 1.8 for value in one["T50"]]} for one in histories]
        answers = [
            (await real.http.post("/v1/predictions", json={"model": REMAINING_LIFE, **body})).json()
            for body in (
                {"instances": histories},
                {"instances": kelvin, "units": {"T50": "K"}},
            )
        ]
        plain, converted = (answer["predictions"] for answer in answers)
        for one, other in zip(plain, converted, strict=True):
            assert 0 <= one["lower"] <= one["remaining_life"] <= one["upper"] <= 125
            assert one["remaining_life"] == pytest.approx(other["remaining_life"], abs=2)
        rows = await real.rows(2)
        assert [(row["rows"], row["cost"]) for row in rows] == [(2, "0.010000000")] * 2

    async def test_too_short_a_history(self, real: Gateway) -> None:
        body = {"model": REMAINING_LIFE, "instances": [_history(1, life=5)]}
        answer = await real.http.post("/v1/predictions", json=body)
        assert answer.status_code == 400
        assert "a list of 20 to 1000 values" in answer.json()["error"]["message"]


def _history(seed: int, life: int) -> dict[str, list[float]]:
    readings = engine(seed, life).readings
    return {name: readings[:, at].tolist() for at, name in enumerate(SENSORS)}


class TestSpecialist:
    async def test_rows_with_names(self, real: Gateway) -> None:
        body = {"model": SPECIALIST, "instances": [HEALTHY, OVERSTRAINED]}
        answer = (await real.http.post("/v1/predictions", json=body)).json()
        healthy, overstrained = answer["predictions"]
        assert (healthy["failure"], overstrained["failure"]) == (0, 1)
        assert healthy["failure_probability"] < 0.1 < 0.9 < overstrained["failure_probability"]
        row = await real.row()
        assert (row["rows"], row["settlement"]) == (2, "complete")

    async def test_wrong_units_are_named(self, real: Gateway) -> None:
        celsius = {**HEALTHY, "air_temperature": 25.0}
        body = {"model": SPECIALIST, "instances": [HEALTHY, celsius]}
        answer = await real.http.post("/v1/predictions", json=body)
        error = answer.json()["error"]
        assert answer.status_code == 400
        assert "air_temperature" in error["message"]
        assert "K" in error["message"]
        assert (await real.row())["settlement"] == "refused"

    @pytest.mark.parametrize("binary", [False, True])
    async def test_tritonclient_unchanged(self, real: Gateway, binary: bool) -> None:
        result = await asyncio.to_thread(self._infer, real, binary, HEALTHY, OVERSTRAINED)
        assert result.as_numpy("failure").tolist() == [0, 1]
        assert result.as_numpy("failure_probability").dtype == np.float32
        assert (await real.row())["rows"] == 2

    async def test_tritonclient_shows_our_errors(self, real: Gateway) -> None:
        too_strong = {**HEALTHY, "torque": 90_000.0}
        with pytest.raises(InferenceServerException) as caught:
            await asyncio.to_thread(self._infer, real, True, too_strong)
        assert "[400]" in str(caught.value)
        assert "torque" in str(caught.value)

    def _infer(self, real: Gateway, binary: bool, *rows: dict[str, Any]) -> triton.InferResult:
        server = triton.InferenceServerClient(real.url.removeprefix("http://"))
        headers = {"Authorization": f"Bearer {real.key.secret}"}
        try:
            assert server.is_server_live()
            assert server.is_model_ready(SPECIALIST, headers=headers)
            metadata = server.get_model_metadata(SPECIALIST, headers=headers)
            assert {tensor["name"] for tensor in metadata["inputs"]} == set(HEALTHY)
            inputs = [self._tensor(name, [row[name] for row in rows], binary) for name in HEALTHY]
            return server.infer(SPECIALIST, inputs, headers=headers)
        finally:
            server.close()

    def _tensor(self, name: str, values: list[Any], binary: bool) -> triton.InferInput:
        text = isinstance(values[0], str)
        tensor = triton.InferInput(name, [len(values)], "BYTES" if text else "FP32")
        array = np.array(values, dtype=np.object_ if text else np.float32)
        tensor.set_data_from_numpy(array, binary_data=binary)
        return tensor
