"""The entry of a metered endpoint in the endpoint table (gateway/inference/endpoints/table.py)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from gateway.call.error_format import OPENAI_ERRORS, ErrorFormat
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
from gateway.wire.documentation import Documentation
from gateway.wire.format import CallIdentity, WireFormat
from gateway.wire.parameters import Parameter
from infra.frozen import frozen_dataclass
from models.catalog import Task


class UsageGroup(Enum):
    """OpenAI's usage report (`/v1/organization/usage/…`) that shows the calls of an endpoint."""

    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    DECISIONS = "decisions"


@frozen_dataclass(frozen=True, slots=True)
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
class Endpoint:
    """A metered endpoint: everything in which it differs from the others.

    `path` and `version_path` are Litestar route paths; `{name:str}` is the model, `{version:str}`
    its version. `label` is the operation's English name in the dashboard. Models of other `tasks`
    are rejected.

    `decode` validates a body; it raises BodyNotJson, ParameterInvalid, ParameterUnknown,
    ParameterUnsupported. The parsed request that it leads to holds the functions that convert and
    measure the response (`measure`, `convert_response`, `stream_reader`). `select_model` selects
    the model for `auto`; None if the endpoint does not support `auto`.

    `wire_format` converts requests in another format than chat into chats, before they are decoded,
    and their answers back; None if the endpoint's own form is the internal one.

    `prompt` is the prompt's field and how its tokens are counted; None if tokens are not metered.
    `parameters` are the request fields with their handling, if the endpoint rejects all others.
    `quote_field` is the request field by which a quote recognizes the endpoint; None if it cannot
    be quoted. `documentation` is None if the OpenAPI document has the endpoint from elsewhere.
    `error_format` is the shape of the errors that clients get.
    `is_job` is True if calls start jobs or are of a service (models/catalog/services.py): these
    have routes of their own.
    `in_batches` is True if a batch can have calls of the endpoint. `guarded_fields` are the request
    fields with texts that an account's guard checks, those of the chat if there is a format.
    `priced_body` returns a body by which a quote or a batch prices one whose inputs are read in the
    call; None if every body has its inputs.
    """

    operation: Operation
    path: str
    label: str
    tasks: frozenset[Task]
    decode: Callable[[Call, bytes, Principal], DecodedRequest]
    version_path: str | None = None
    select_model: Callable[[ModelSelector, SelectionCriteria], ModelSelection] | None = None
    wire_format: WireFormat | None = None
    prompt: PromptFormat | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    quote_field: str | None = None
    usage_group: UsageGroup | None = None
    documentation: Documentation | None = None
    error_format: ErrorFormat = OPENAI_ERRORS
    is_job: bool = False
    in_batches: bool = False
    guarded_fields: tuple[str, ...] = ()
    priced_body: Callable[[bytes], bytes] | None = None

    def internal_body(self, call: Call, body: bytes) -> bytes:
        """Return a client's body in the form that `decode` takes, to price it.

        Raises BodyNotJson, ParameterInvalid, ParameterUnknown, ParameterUnsupported.
        """
        if self.wire_format is None:
            return body if self.priced_body is None else self.priced_body(body)
        identity = CallIdentity(call.request_id, call.started_at)
        return self.wire_format.decode(identity, body).body
