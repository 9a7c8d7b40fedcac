"""Parsers of bodies, files and webhooks accept random content or reject it with an AppError."""

import hmac
import json
import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from billing.collection.stripe.client import parse_signed_event
from billing.outcomes.contracts.contract_file import parse_contract_json, parse_contract_toml
from billing.outcomes.evidence.readings_file import parse_readings
from gateway.call.values import Operation, ResolvedModel
from gateway.fine_tuning import progress_stream as adapting_lines
from gateway.fine_tuning.pii_scrubber import scrub_training_file
from gateway.plant.formats.aas.reader import read_aas
from gateway.plant.formats.aas.writer import write_aas_json, write_aasx
from gateway.plant.formats.brick.reader import read_brick
from gateway.plant.formats.brick.writer import write_brick
from gateway.plant.formats.nodeset.reader import read_nodeset
from gateway.plant.formats.nodeset.writer import write_nodeset
from gateway.plant.formats.results import FormatInvalid
from gateway.retrieval import extractors
from gateway.upstream.error_mapping import UpstreamErrorResponse, map_upstream_error
from gateway.wire import feedback, fine_tuning, inference, usage, vector_stores
from infra.errors import AppError
from models.industrial_llm import dialogues
from serving.specialists import open_inference
from tests.fuzzing.budget import TALLY, found, tried
from tests.fuzzing.mutating import mutated
from tests.support.builders import CATALOG, CHAT, EMBEDDING, SPECIALIST
from tests.support.gateway.decoded import parsed
from tests.support.outcomes.contract_texts import EVENT, MEASURE
from tests.support.plants import pump_station

SECRET = "whsec_planted"
TERMS = parse_contract_toml(MEASURE)
ROW = b'{"model": "m", "instances": [{"torque": 1}]}'
NOW = datetime(2026, 11, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Target:
    """A parser and seeds for it."""

    read: Callable[[bytes], Any]
    seeds: list[bytes]


def as_json(*values: Any) -> list[bytes]:
    return [json.dumps(value, ensure_ascii=False).encode() for value in values]


def served(model: str) -> ResolvedModel:
    return ResolvedModel(CATALOG.models[model], model, model)


def asked(operation: Operation, model: str) -> Callable[[bytes], Any]:
    return lambda body: parsed(operation, body, CATALOG.models[model])


def predicted(body: bytes) -> Any:
    return inference.build_prediction_request(
        inference.parse_prediction_request(body), served(SPECIALIST), "req_1"
    )


def inferred(message: bytes) -> Any:
    """The first line has the length of the JSON part; the rest is the body with tensors."""
    length, _, body = message.partition(b"\n")
    return inference.build_infer_request(
        served(SPECIALIST), body, {inference.JSON_LENGTH_HEADER: length}
    )


def answered(answer: bytes) -> Any:
    """Parse a specialist's response for one row."""
    ask = predicted(ROW)
    assert ask.convert_response is not None
    return ask.convert_response(answer)


def tensors(message: bytes) -> Any:
    """Parse as `inferred`, with the specialist server's parser."""
    length, _, body = message.partition(b"\n")
    return open_inference.parse_request(body, int(length) if length.isdigit() else None)


def signed(body: bytes) -> Any:
    """Parse an event with a valid signature."""
    at = int(time.time())
    mac = hmac.digest(SECRET.encode(), b"%d." % at + body, "sha256").hex()
    return parse_signed_event(body, f"t={at},v1={mac}", SECRET)


def signature(header: bytes) -> Any:
    """Parse an event without a valid signature, which is always rejected."""
    parse_signed_event(b'{"id": "evt_1"}', header.decode("latin-1"), SECRET)
    raise AssertionError("an event was taken that nobody signed")


def searched(body: bytes) -> Any:
    search = vector_stores.decode_request(vector_stores.SearchRequest, body)
    return vector_stores.queries_of(search), vector_stores.parse_filter(search.filters)


def dialogue(number: int) -> Any:
    asked = {"role": "user", "content": f"pump {number} leaks"}
    return {"messages": [asked, {"role": "assistant", "content": f"seal {number % 3} worn"}]}


def in_file(name: str) -> Callable[[bytes], Any]:
    return lambda content: extractors.extract_text(name, content)


MESSAGES = [{"role": "user", "content": "rplce eng oil fltr 泵"}]
TENSOR = {"name": "torque", "shape": [2], "datatype": "FP32"}
EVENT_BODY = {
    **{"id": "evt_1", "type": "invoice.paid", "created": 1795000000, "livemode": False},
    "data": {"object": {"id": "in_1", "metadata": {"invoice": "MAAS-000001"}}},
}
SENT = {**TENSOR, "parameters": {"binary_data_size": 8}}
INFER = as_json({"inputs": [SENT]}, {"inputs": [{**TENSOR, "data": [1.0, 2.5]}, SENT]})
TARGETS: Mapping[str, Target] = {
    "chat": Target(
        asked(Operation.CHAT, CHAT),
        as_json(
            {"model": CHAT, "messages": MESSAGES, "max_tokens": 5, "n": 2, "stream": True,
             "stream_options": {"include_usage": True}, "stop": ["a"], "temperature": 0.5},
            {"model": CHAT, "messages": [{"role": "user", "content": [
                {"type": "text", "text": "a"}]}], "tools": [{"type": "function"}]},
        ),
    ),
    "completions": Target(
        asked(Operation.TEXT_COMPLETION, CHAT),
        as_json({"model": CHAT, "prompt": ["a", "b"], "max_tokens": 1},
                {"model": CHAT, "prompt": [[1, 2], [3]], "best_of": 2, "logprobs": 1}),
    ),
    "embeddings": Target(
        asked(Operation.EMBEDDINGS, EMBEDDING),
        as_json({"model": EMBEDDING, "input": ["a", "b"]}, {"model": EMBEDDING, "input": [1, 2]}),
    ),
    "predictions": Target(
        predicted,
        as_json({"model": SPECIALIST, "instances": [{"type": "L", "torque": 65.0}] * 2,
                 "units": {"torque": "N*m"}},
                {"model": "auto", "instances": [{"x": [1, 2.5]}, {"x": [0, 1]}], "task": "fail?"}),
    ),
    "open_inference_binary": Target(
        inferred, [b"%d\n%b\x00\x00\x80?\x00\x00\x00@" % (len(one), one) for one in INFER]
    ),
    "specialists_answer": Target(
        answered,
        as_json({"outputs": [{"name": "failure", "data": [1]}, {"name": "p", "data": [0]}]}),
    ),
    "specialists_tensors": Target(
        tensors, [b"%d\n%b\x00\x00\x80?\x00\x00\x00@" % (len(one), one) for one in INFER]
    ),
    "specialists_refusal": Target(
        lambda body: map_upstream_error(
            UpstreamErrorResponse(400, body, is_specialist_error=True), predicted(ROW)
        ),
        as_json({"error": {"message": "a", "param": "torque", "code": "out_of_range"}}),
    ),
    "learning": Target(
        adapting_lines._decode_line,
        as_json({"progress": "a", "metrics": {"step": 1, "total_steps": 2, "train_loss": 0.5}}),
    ),
    "plain_answer": Target(
        usage.measure_response,
        as_json({"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}),
    ),
    "feedback": Target(
        lambda body: feedback.training_example_of(feedback.parse_feedback(body)),
        as_json({"request_id": "req_1", "rating": "bad", "messages": MESSAGES,
                 "correction": "b", "consent": True}),
    ),
    "fine_tuning_job": Target(
        fine_tuning.parse_job_request,
        as_json({"model": SPECIALIST, "training_file": "file_1", "suffix": "line-1", "method":
                 {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": "auto"}}}}),
    ),
    "vector_store_search": Target(
        searched,
        as_json({"query": ["a"], "filters": {"type": "and", "filters": [
            {"type": "eq", "key": "a", "value": 1}, {"type": "in", "key": "b", "value": ["c"]}]}}),
    ),
    "contract_json": Target(
        parse_contract_json,
        [json.dumps(tomllib.loads(text), default=str).encode() for text in (EVENT, MEASURE)],
    ),
    "contract_toml": Target(
        lambda body: parse_contract_toml(body.decode("latin-1")), [EVENT.encode(), MEASURE.encode()]
    ),
    "readings": Target(
        lambda body: parse_readings(body.decode(errors="replace"), TERMS, NOW),
        [
            b"at,value,unit,parts\n2026-11-01T00:00:00+08:00,412.5,kWh,1180\n2026-11-02,0,kWh,-3\n",
            b'{"readings": [{"at": "2026-11-01", "value": "1", "unit": "kWh", "parts": "2"}]}',
        ],
    ),
    "table_file": Target(in_file("a.csv"), [b"code;fault\n17;pump\n18;\"seal; worn\"\n" * 3]),
    "text_file": Target(in_file("a.md"), [b"# Pumps #\n\nseal \xe6\xb3\xb5\n## Seals\nworn\n"]),
    "lines_file": Target(in_file("a.jsonl"), [b'{"code": 17, "fault": ["pump", null]}\n' * 2]),
    "training_file": Target(
        lambda content: dialogues.parse_training_file(scrub_training_file(content)[0]),
        [b"\n".join(as_json(*(dialogue(number) for number in range(12))))],
    ),
    "brick": Target(read_brick, [write_brick(pump_station()).content]),
    "aas": Target(read_aas, [write_aas_json(pump_station()).content]),
    "aasx": Target(read_aas, [write_aasx(pump_station()).content]),
    "nodeset": Target(read_nodeset, [write_nodeset(pump_station()).content]),
    "stripe_event": Target(signed, as_json(EVENT_BODY)),
    "stripe_signature": Target(signature, [b"t=1795000000,v1=" + b"a" * 64, b"t=,v1=,v0=b,,=="]),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_random_content_is_read_or_rejected_by_each_reader(name: str) -> None:
    target = TARGETS[name]

    @tried(25, 2_000)
    @given(mutated(target.seeds))
    def reads(content: bytes) -> None:
        TALLY.count()
        check(target, content)

    reads()


@pytest.mark.parametrize(
    ("name", "content"), [(name, content) for name in TARGETS for content in found(name)]
)
def test_earlier_fuzzing_findings_are_read_or_rejected(name: str, content: bytes) -> None:
    check(TARGETS[name], content)


def test_seeds_of_each_reader_are_valid() -> None:
    """Invalid seeds would exercise only the rejection of their first error."""
    refused = set()
    for name, target in TARGETS.items():
        try:
            target.read(target.seeds[0])
        except AppError as error:
            refused.add((name, str(error)))
    assert {name for name, _ in refused} == {"stripe_signature"}, refused


def check(target: Target, content: bytes) -> None:
    with suppress(AppError, FormatInvalid):
        target.read(content)
