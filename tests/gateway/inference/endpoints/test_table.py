"""The endpoint table is complete, unambiguous and read-only."""

import dataclasses
from dataclasses import replace
from typing import Any, cast

import msgspec
import pytest

from gateway.call.errors import EndpointUnsupported
from gateway.call.values import Operation, ResolvedModel
from gateway.inference.endpoints.endpoint import Endpoint, UsageGroup
from gateway.inference.endpoints.table import ENDPOINTS, find_endpoint, operations_in
from models.catalog import SPECIALIST_TASKS, Task
from tests.support.gateway.decoded import decoded, example_model, example_request
from tests.support.gateway.moderating import GUARD, MODELS

CALLED = [endpoint for endpoint in ENDPOINTS.values() if endpoint.documentation is not None]
NAMES = [endpoint.operation.value for endpoint in CALLED]


class TestEndpointTable:
    def test_every_metered_operation_has_an_entry(self) -> None:
        assert ENDPOINTS.keys() == set(Operation) - {Operation.UNSUPPORTED}
        assert all(endpoint.operation is operation for operation, endpoint in ENDPOINTS.items())

    def test_unsupported_operation_is_rejected(self) -> None:
        with pytest.raises(EndpointUnsupported) as rejected:
            find_endpoint(Operation.UNSUPPORTED)
        assert rejected.value.status == 404

    def test_table_and_entries_are_immutable(self) -> None:
        with pytest.raises(TypeError):
            cast(dict[Operation, Endpoint], ENDPOINTS)[Operation.CHAT] = find_endpoint(
                Operation.CHAT
            )
        with pytest.raises(dataclasses.FrozenInstanceError):
            cast(Any, ENDPOINTS[Operation.CHAT]).path = "/v1/other"

    @pytest.mark.parametrize("name", ["path", "quote_field", "label"])
    def test_paths_quote_fields_and_labels_are_unique(self, name: str) -> None:
        values = [getattr(endpoint, name) for endpoint in ENDPOINTS.values()]
        known = [value for value in values if value is not None]
        assert len(set(known)) == len(known)

    def test_every_catalog_task_has_an_endpoint(self) -> None:
        served = {task for endpoint in CALLED for task in endpoint.tasks}
        assert served == {Task.TEXT_GENERATION, Task.EMBEDDING, Task.MODERATION, *SPECIALIST_TASKS}

    def test_usage_groups_match_openai_usage_reports(self) -> None:
        completions = operations_in(UsageGroup.COMPLETIONS)
        embeddings = operations_in(UsageGroup.EMBEDDINGS)
        assert completions[:2] == ("chat", "text_completion")
        assert embeddings[:1] == ("embeddings",)
        assert not {*completions, *embeddings} & {"predictions", "infer", "adaptation"}


class TestEndpointEntry:
    """Each entry is consistent: its first example decodes to an upstream request."""

    @pytest.mark.parametrize("endpoint", CALLED, ids=NAMES)
    def test_prompt_and_quote_field_are_request_fields(self, endpoint: Endpoint) -> None:
        if endpoint.wire_format is not None or endpoint.operation is Operation.MODERATION:
            endpoint = replace(endpoint, prompt=None)  # of the chat, or of a guard model
        assert endpoint.documentation is not None
        fields = {one.name for one in msgspec.structs.fields(endpoint.documentation.request)}
        named = {endpoint.quote_field, endpoint.prompt and endpoint.prompt.field} - {None}
        assert named <= fields
        assert not endpoint.parameters or named <= endpoint.parameters.keys()

    @pytest.mark.parametrize("endpoint", CALLED, ids=NAMES)
    def test_example_becomes_upstream_request_with_output_bounds(self, endpoint: Endpoint) -> None:
        assert endpoint.documentation is not None
        assert endpoint.documentation.example_task in endpoint.tasks
        model = example_model(endpoint)
        if endpoint.prompt is not None and endpoint.operation is Operation.MODERATION:
            model = MODELS[GUARD]  # only guard models read a prompt
        request = decoded(
            endpoint.operation, msgspec.json.encode(example_request(endpoint))
        ).for_model(ResolvedModel(model, model.id, model.id))
        assert request.model is model
        assert request.path.startswith("/v")
        bounds = request.output_bounds
        metered = (request.request_fields, bounds.rows, bounds.images, bounds.max_tokens_per_choice)
        assert any(metered)
        assert bool(request.request_fields) == (endpoint.prompt is not None)

    @pytest.mark.parametrize("endpoint", CALLED, ids=NAMES)
    def test_only_streamed_example_has_a_stream_reader(self, endpoint: Endpoint) -> None:
        assert endpoint.documentation is not None
        model = example_model(endpoint)
        examples = endpoint.documentation.examples(model.id)
        streams = []
        for value in examples.requests.values():
            found = decoded(endpoint.operation, msgspec.json.encode(value))
            request = found.for_model(ResolvedModel(model, model.id, model.id))
            assert request.stream == (request.stream_reader is not None)
            streams.append(request.stream)
        assert any(streams) == (examples.stream is not None)

    @pytest.mark.parametrize("endpoint", CALLED, ids=NAMES)
    def test_auto_has_criteria_only_if_endpoint_selects_models(self, endpoint: Endpoint) -> None:
        body = {**example_request(endpoint), "model": "auto"}
        criteria = decoded(endpoint.operation, msgspec.json.encode(body)).criteria
        assert (criteria is None) == (endpoint.select_model is None)

    def test_job_endpoints_have_no_documentation(self) -> None:
        jobs = [endpoint.operation for endpoint in ENDPOINTS.values() if endpoint.is_job]
        assert jobs == [Operation.ADAPTATION, Operation.READINGS]
        assert all(endpoint.documentation is None for endpoint in ENDPOINTS.values()
                   if endpoint.is_job)  # fmt: skip
