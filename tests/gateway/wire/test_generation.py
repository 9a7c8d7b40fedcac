"""Fields of a client's generation request that are forwarded to an engine."""

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.call.errors import ParameterInvalid, ParameterUnknown, ParameterUnsupported
from gateway.call.values import Operation, ParsedRequest
from models.catalog import Weights
from tests.support.builders import CATALOG, CHAT, EMBEDDING
from tests.support.gateway.decoded import parsed

REQUIRED: dict[Operation, dict[str, Any]] = {
    Operation.CHAT: {"model": CHAT, "messages": [{"role": "user", "content": "a"}]},
    Operation.TEXT_COMPLETION: {"model": CHAT, "prompt": "a"},
    Operation.EMBEDDINGS: {"model": EMBEDDING, "input": "a"},
}
INTERNAL = """
    cache_salt chat_template chat_template_kwargs ec_transfer_params kv_transfer_params
    media_io_kwargs min_tokens mm_processor_kwargs priority prompt_embeds prompt_logprobs request_id
    return_token_ids session_id stream_interval structured_outputs truncate_prompt_tokens
    use_beam_search vllm_xargs""".split()


def asked(operation: Operation, **values: Any) -> ParsedRequest:
    body = json.dumps({**REQUIRED[operation], **values}).encode()
    model = CATALOG.models[REQUIRED[operation]["model"]]
    return parsed(operation, body, model)


def sent(operation: Operation, **values: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(asked(operation, **values).body)
    return told


class TestRequestFields:
    @pytest.mark.parametrize("operation", REQUIRED)
    @pytest.mark.parametrize("name", [*INTERNAL, "a_field_of_tomorrow"])
    def test_unlisted_field_is_rejected(self, operation: Operation, name: str) -> None:
        with pytest.raises(ParameterUnknown, match=f"Unknown parameter: `{name}`") as refused:
            asked(operation, **{name: None})
        assert refused.value.param == name

    def test_field_of_another_endpoint_is_rejected(self) -> None:
        with pytest.raises(ParameterUnknown):
            asked(Operation.EMBEDDINGS, max_tokens=3)

    def test_ignored_fields_are_not_forwarded(self) -> None:
        ignored = {"user": "u", "metadata": {"a": "b"}, "safety_identifier": "s", "store": False}
        assert sent(Operation.CHAT, **ignored) == REQUIRED[Operation.CHAT]

    def test_sampling_fields_are_forwarded_unchanged(self) -> None:
        fields = {"top_k": 7, "min_p": 0.1, "repetition_penalty": 1.05, "logit_bias": {"7": -1}}
        assert sent(Operation.CHAT, **fields) == REQUIRED[Operation.CHAT] | fields

    def test_null_fields_are_not_forwarded(self) -> None:
        nothing = {"n": None, "tools": None, "store": None, "audio": None}
        assert sent(Operation.CHAT, **nothing) == REQUIRED[Operation.CHAT]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("store", True),
            ("functions", []),
            ("modalities", ["text", "audio"]),
            ("web_search_options", {}),
        ],
    )
    def test_unsupported_field_value_is_rejected(self, name: str, value: Any) -> None:
        with pytest.raises(ParameterUnsupported, match="is not supported by this") as refused:
            asked(Operation.CHAT, **{name: value})
        assert refused.value.param == name

    def test_default_value_of_unsupported_field_is_accepted(self) -> None:
        defaults = {"modalities": ["text"], "verbosity": "medium", "store": False}
        assert sent(Operation.CHAT, **defaults) == REQUIRED[Operation.CHAT]


class TestMaxTokensDefault:
    def test_completion_without_max_tokens_gets_16(self) -> None:
        assert sent(Operation.TEXT_COMPLETION)["max_tokens"] == 16

    def test_completion_keeps_requested_max_tokens(self) -> None:
        assert sent(Operation.TEXT_COMPLETION, max_tokens=3)["max_tokens"] == 3

    def test_chat_without_max_tokens_stays_unlimited(self) -> None:
        assert "max_tokens" not in sent(Operation.CHAT)


class TestFieldBounds:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("stop", ["a"] * 17),
            ("stop", "a" * 1001),
            ("logit_bias", {str(token): 1 for token in range(301)}),
            ("logit_bias", {"1": 101}),
            ("logit_bias", {"a": 1}),
            ("tools", [{"type": "function", "function": {"name": "a"}}] * 129),
            ("top_logprobs", 21),
            ("seed", 1 << 63),
            ("min_p", 1.5),
            ("repetition_penalty", 0),
            ("stop_token_ids", [1] * 17),
            ("response_format", {"type": "structural_tag"}),
            (
                "response_format",
                {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"a": "b" * 70_000}},
                },
            ),
        ],
    )
    def test_value_out_of_bounds_is_rejected(self, name: str, value: Any) -> None:
        with pytest.raises(ParameterInvalid) as refused:
            asked(Operation.CHAT, **{name: value})
        assert str(refused.value.param).startswith(name)

    def test_logprobs_with_echo_are_rejected(self) -> None:
        with pytest.raises(ParameterUnsupported):
            asked(Operation.TEXT_COMPLETION, echo=True, logprobs=1)
        assert sent(Operation.TEXT_COMPLETION, echo=True)["echo"] is True


@pytest.mark.parametrize(
    ("operation", "values", "choices"),
    [
        (Operation.CHAT, {}, 1),
        (Operation.CHAT, {"n": 3}, 3),
        (Operation.TEXT_COMPLETION, {"prompt": "a", "n": 2}, 2),
        (Operation.TEXT_COMPLETION, {"prompt": ["a", "b", "c"], "n": 2}, 6),
        (Operation.TEXT_COMPLETION, {"prompt": [1, 2, 3], "n": 2}, 2),
        (Operation.TEXT_COMPLETION, {"prompt": [[1, 2], [3]]}, 2),
    ],
)
def test_choice_count_is_prompts_times_n(
    operation: Operation, values: dict[str, Any], choices: int
) -> None:
    assert asked(operation, **values).output_bounds.choices == choices


@pytest.mark.parametrize(("kind", "shown"), [("base", CHAT), ("hub", "the-engine")])
def test_response_of_a_model_with_its_bases_weights_shows_its_own_name(
    kind: str, shown: str
) -> None:
    """The engine knows the base's name only; other names, such as of versions, are kept."""
    model = replace(CATALOG.models[CHAT], weights=Weights(kind, ""))
    for stream in (False, True):
        body = json.dumps({**REQUIRED[Operation.CHAT], "stream": stream}).encode()
        request = parsed(Operation.CHAT, body, model)
        answer = b'{"model":"the-engine","choices":[{"index":0}]}'
        if request.stream_reader is not None:
            told = request.stream_reader(1 << 16, None).feed(b"data: " + answer + b"\n\n")[6:]
        else:
            assert request.convert_response is not None
            told = request.convert_response(answer)
        assert json.loads(told)["model"] == shown
