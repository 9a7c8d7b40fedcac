"""The entry of a metered endpoint in the endpoint table (gateway/inference/endpoints/table.py)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec

from gateway.asgi.exchange import ClientExchange
from gateway.call.errors import render_error
from gateway.call.values import (
    Call,
    ModelSelection,
    Operation,
    ParsedRequest,
    Principal,
    ResolvedModel,
)
from gateway.inference.model_selection import ModelSelector, SelectionCriteria
from gateway.inference.token_count import PromptFormat
from gateway.inference.translation import RequestTranslator, TranslatedCall
from gateway.wire.parameters import Parameter
from infra.errors import AppError
from models.catalog import Task


class UsageGroup(Enum):
    """OpenAI's usage report (`/v1/organization/usage/…`) that shows the calls of an endpoint."""

    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    DECISIONS = "decisions"


@dataclass(frozen=True, slots=True)
class DecodedRequest:
    """A decoded request whose model is not resolved yet.

    `for_model` returns the parsed request for a model. `criteria` select the model for `auto`; None
    if the request names its model or the endpoint does not support `auto`. `needs_reasoning` is
    True if only models that can reason may be fallbacks.
    """

    name: str
    for_model: Callable[[ResolvedModel], ParsedRequest]
    version: str | None = None
    criteria: SelectionCriteria | None = None
    needs_reasoning: bool = False


@dataclass(frozen=True, slots=True)
class Examples:
    """Example requests of an endpoint by title, a response, and a stream if it supports one."""

    requests: Mapping[str, Any]
    answer: Any
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class Documentation:
    """An endpoint in the OpenAPI document.

    `request` and `answer` are the types from which its schemas come. `examples` returns the
    examples with a model, which is the first one of the catalog with the task `example_task`.
    """

    request: type[msgspec.Struct]
    answer: type[msgspec.Struct]
    summary: str
    examples: Callable[[str], Examples]
    example_task: Task
    description: str = ""


@dataclass(frozen=True, slots=True)
class ErrorFormat:
    """The shape of an endpoint's errors: its schema in the OpenAPI document, and an error's status
    and body in it."""

    schema: str
    render: Callable[[AppError], tuple[int, bytes]]


def _openai_error(error: AppError) -> tuple[int, bytes]:
    """Return status and body of an error in OpenAI's shape."""
    return error.status, render_error(error)


OPENAI_ERRORS = ErrorFormat("Error", _openai_error)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A metered endpoint: everything in which it differs from the others.

    `path` and `version_path` are Litestar route paths; `{name:str}` is the model, `{version:str}`
    its version. `label` is the operation's English name in the dashboard. Models of other `tasks`
    are rejected.

    `decode` validates a body; it raises BodyNotJson, ParameterInvalid, ParameterUnknown,
    ParameterUnsupported. The parsed request that it leads to holds the functions that convert and
    measure the response (`measure`, `convert_response`, `stream_reader`). `select_model` selects
    the model for `auto`; None if the endpoint does not support `auto`.

    `prepare` converts a request in another format than chat, before it is decoded; None if the
    endpoint needs no such step.

    `prompt` is the prompt's field and how its tokens are counted; None if tokens are not metered.
    `parameters` are the request fields with their handling, if the endpoint rejects all others.
    `quote_field` is the request field by which a quote recognizes the endpoint; None if it cannot
    be quoted. `documentation` is None if the OpenAPI document has the endpoint from elsewhere.
    `exchange` is the exchange with its clients; one of its own converts responses to the form that
    they expect. `error_format` documents the errors that clients get.
    `is_job` is True if calls start jobs: these have routes of their own and name a catalog model.
    `in_batches` is True if a batch can have calls of the endpoint. `guarded_fields` are the request
    fields with texts that an account's guard checks, after `prepare`.
    """

    operation: Operation
    path: str
    label: str
    tasks: frozenset[Task]
    decode: Callable[[Call, bytes, Principal], DecodedRequest]
    version_path: str | None = None
    select_model: Callable[[ModelSelector, SelectionCriteria], ModelSelection] | None = None
    prepare: (
        Callable[[RequestTranslator, Call, Principal, bytes], Awaitable[TranslatedCall]] | None
    ) = None
    prompt: PromptFormat | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    quote_field: str | None = None
    usage_group: UsageGroup | None = None
    documentation: Documentation | None = None
    open_inference_errors: bool = False
    exchange: type[ClientExchange] = ClientExchange
    error_format: ErrorFormat = OPENAI_ERRORS
    is_job: bool = False
    in_batches: bool = False
    guarded_fields: tuple[str, ...] = ()
