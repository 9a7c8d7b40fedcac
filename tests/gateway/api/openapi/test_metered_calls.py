"""Metered endpoints in the OpenAPI document and on /docs: order, request and response schemas,
examples."""

import re
from typing import Any

import msgspec
import pytest

from gateway.inference.endpoints.table import ENDPOINTS
from infra.errors import AppError
from tests.support.builders import CHAT, EMBEDDING, SPECIALIST, Gateway
from tests.support.gateway.decoded import decoded
from tests.support.json_schemas import jsonschema

OPERATIONS = {
    endpoint.path.replace(":str", ""): endpoint.operation
    for endpoint in ENDPOINTS.values()
    if endpoint.documentation is not None
}
METERED = tuple(OPERATIONS)
Document = dict[str, Any]


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> "jsonschema.Draft202012Validator":
    return jsonschema.Draft202012Validator({**schema, "components": document["components"]})


class TestOpenApiOrder:
    async def test_metered_endpoints_are_first_in_paths_and_tags(self, document: Document) -> None:
        assert tuple(document["paths"])[: len(METERED)] == METERED
        assert METERED[:5] == (
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/embeddings",
            "/v1/predictions",
            "/v2/models/{name}/infer",
        )
        assert document["tags"][0]["name"] == document["paths"][METERED[0]]["post"]["tags"][0]

    async def test_every_operation_has_one_declared_tag(self, document: Document) -> None:
        declared = {tag["name"] for tag in document["tags"]}
        for path, methods in document["paths"].items():
            for operation in methods.values():
                assert set(operation["tags"]) <= declared, path
                assert len(operation["tags"]) == 1, path

    @pytest.mark.parametrize("page", ["/docs", "/docs/", "/docs/openapi.json"])
    async def test_docs_page_lists_metered_endpoints_first(
        self, shared_gateway: Gateway, page: str
    ) -> None:
        text = (await shared_gateway.http.get(page)).text
        found = [text.index(f'"{path}":') for path in METERED]
        assert found == sorted(found)
        assert found[-1] < text.index('"/v1/usage":')


class TestOpenApiRequests:
    @pytest.mark.parametrize("path", METERED)
    async def test_request_examples_match_the_schema(self, document: Document, path: str) -> None:
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert content["examples"]
        for example in content["examples"].values():
            resolved(document, content["schema"]).validate(example["value"])

    @pytest.mark.parametrize("path", METERED)
    async def test_request_examples_are_decoded_by_the_gateway(
        self, document: Document, path: str
    ) -> None:
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            decoded(OPERATIONS[path], msgspec.json.encode(example["value"]))

    @pytest.mark.parametrize("path", METERED[:2])
    async def test_examples_include_a_plain_and_a_streamed_request(
        self, document: Document, path: str
    ) -> None:
        operation = document["paths"][path]["post"]
        examples = operation["requestBody"]["content"]["application/json"]["examples"]
        assert {bool(one["value"].get("stream")) for one in examples.values()} == {False, True}
        content = operation["responses"]["200"]["content"]
        assert content["application/json"]["examples"]
        streamed = next(iter(content["text/event-stream"]["examples"].values()))["value"]
        assert streamed.startswith("data: {")
        assert streamed.endswith("data: [DONE]\n\n")

    @pytest.mark.parametrize("path", METERED)
    async def test_request_and_response_headers_are_listed(
        self, document: Document, path: str
    ) -> None:
        operation = document["paths"][path]["post"]
        named = {one["name"] for one in operation["parameters"] if one["in"] == "header"}
        assert {"Idempotency-Key", "X-Max-Cost", "X-Maas-Tags"} <= named
        shown = set(operation["responses"]["200"]["headers"])
        rates = {f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset")
                 for of in ("requests", "tokens")}  # fmt: skip
        assert {"x-request-id", "x-maas-cost", "x-maas-balance", *rates} <= shown


class TestOpenApiResponses:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            (METERED[0], {"model": CHAT, "messages": [{"role": "user", "content": "hi"}]}),
            (METERED[1], {"model": CHAT, "prompt": "hi"}),
            (METERED[2], {"model": EMBEDDING, "input": "hi"}),
            (METERED[3], {"model": SPECIALIST, "instances": [{"torque": 40.0}]}),
        ],
    )
    async def test_live_response_matches_schema_and_listed_headers(
        self, shared_gateway: Gateway, document: Document, path: str, body: dict[str, Any]
    ) -> None:
        answer = await shared_gateway.http.post(path, json=body)
        assert answer.status_code == 200
        described = document["paths"][path]["post"]["responses"]["200"]
        schema = described["content"]["application/json"]["schema"]
        resolved(document, schema).validate(answer.json())
        told = {name for name in answer.headers if name.startswith("x-")}
        assert told <= set(described["headers"])

    @pytest.mark.parametrize("path", METERED)
    async def test_response_and_error_examples_match_the_schema(
        self, document: Document, path: str
    ) -> None:
        responses = document["paths"][path]["post"]["responses"]
        assert {"400", "401", "403", "404", "409", "413", "429", "503"} <= set(responses)
        for response in responses.values():
            content = response["content"]["application/json"]
            for example in content.get("examples", {}).values():
                resolved(document, content["schema"]).validate(example["value"])

    async def test_error_examples_have_the_http_status_of_their_code(
        self, document: Document
    ) -> None:
        responses = document["paths"][METERED[0]]["post"]["responses"]
        statuses = {fact.code: fact.status for fact in _facts(AppError)}
        shown = [
            (status, example["value"]["error"]["code"])
            for status, response in responses.items()
            if re.fullmatch(r"[45]\d\d", status)
            for example in response["content"]["application/json"]["examples"].values()
        ]
        assert len(shown) >= 15
        assert [(status, code) for status, code in shown if statuses[code] != int(status)] == []


def _facts(kind: type[AppError]) -> list[type[AppError]]:
    return [kind, *(one for sub in kind.__subclasses__() for one in _facts(sub))]
