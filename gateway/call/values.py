"""Immutable values that the stages of a metered call pass on.

Call -> Principal -> ParsedRequest -> AdmittedCall -> UpstreamRequest -> CallResult
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

import msgspec
from pydantic import SecretStr

from billing.metering.quotas import QuotaRef
from billing.rating.quantities import NO_USAGE, Quantities
from billing.tables import Settlement
from gateway.call.decisions import DecisionRequest
from gateway.call.error_format import OPENAI_ERRORS, ErrorFormat
from gateway.call.grounding import Citations, GroundedStream, Quotation
from gateway.call.hosted_tools import HostedTools
from gateway.call.reservation import Reservation
from gateway.call.stream_reader import StreamReaderFactory
from infra.errors import AppError
from infra.frozen import frozen_dataclass
from models.catalog import Model, Prices
from models.catalog.upstreams import OWN_SERVERS
from models.guards.guard import Guard


class Operation(StrEnum):
    """The operation of a call; values are OpenTelemetry's `gen_ai.operation.name` if defined."""

    CHAT = "chat"
    TEXT_COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    MODERATION = "moderation"
    PREDICTIONS = "predictions"
    INFER = "infer"
    TAG_ALIGNMENT = "tag_alignment"
    TAG_PROPOSAL = "tag_proposal"
    MESSAGES = "messages"
    RESPONSES = "responses"
    DECISIONS = "decisions"
    ADAPTATION = "adaptation"
    READINGS = "readings"
    UNSUPPORTED = "unsupported"


@frozen_dataclass(frozen=True, slots=True)
class SignedInCaller:
    """A caller who uses an API key of the account without its secret: a signed-in person, or a job.

    Only dashboard pages create one, after they have checked the session and its permissions, and
    background jobs that were started with the key. With `may_be_cached` the key is looked up like
    that of a client, for jobs of many calls.
    """

    account_id: UUID
    key_id: UUID
    may_be_cached: bool = False


class HeldMoney(Protocol):
    """Money that was reserved for a job before it started, from which its calls are paid."""

    def admit(
        self, call: "Call", principal: "Principal", request: "ParsedRequest"
    ) -> "AdmittedCall":
        """Admit a call of the job without waiting. Raises the errors of admission."""
        ...


@frozen_dataclass(frozen=True, slots=True)
class Call:
    """A received API request, before authentication and parsing.

    `started_at` is UTC; `started_monotonic` is in monotonic seconds, for durations only.
    `credentials` is the Authorization header; calls from the dashboard have `signed_in_caller`.
    `client_address` is None for work that goes on after its request; networks are not checked then.
    `error_format` is the shape of errors for its client. The calls of a batch are paid from its
    `held_money`, at a `service_tier` that no body can name.
    """

    request_id: UUID
    operation: Operation
    path: str
    credentials: str | None
    headers: Mapping[bytes, bytes]
    model_in_path: str | None
    started_at: datetime
    started_monotonic: float
    version_in_path: str | None = None
    client_address: str | None = ""
    signed_in_caller: SignedInCaller | None = None
    error_format: ErrorFormat = OPENAI_ERRORS
    held_money: HeldMoney | None = None
    service_tier: "ServiceTier | None" = None


@frozen_dataclass(frozen=True, slots=True)
class ResolvedModel:
    """The model that answers a call: a catalog model, a promoted version or an account's variant.

    `upstream_name` is the model's name on its server, `public_name` the name in the API.
    `variant_id` is the id of the files that the server may have to load first. `version` is the
    version of an account's variant.
    """

    model: Model
    upstream_name: str
    public_name: str
    variant_id: UUID | None = None
    version: int | None = None


@frozen_dataclass(frozen=True, slots=True)
class ModelPrices:
    """The prices of a model for an account under one plan version.

    `prices` are nano-units per unit by meter. `allowances` are the quotas of included units, in the
    order in which calls use them. `service_tier` is None for the default tier.
    """

    plan_version_id: UUID
    prices: Mapping[str, int]
    allowances: tuple[QuotaRef, ...] = ()
    service_tier: str | None = None


@frozen_dataclass(frozen=True, slots=True)
class ShadowPlan:
    """A candidate version that answers a share of the calls of a version, unseen, until `ends_at`.

    `id` is that of the shadow deployment; `current_id` and `candidate_id` are version ids.
    """

    id: UUID
    current_id: UUID
    candidate_id: UUID
    candidate_version: int
    share: float
    ends_at: datetime


@frozen_dataclass(frozen=True, slots=True)
class AccountVariant:
    """An account's fine-tuned model: version ids by version number, and the default version.

    `shadow` is set while a shadow deployment runs.
    """

    base_model_id: str
    versions: Mapping[int, UUID]
    current_version: int
    shadow: ShadowPlan | None = None


@frozen_dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller: an account and its API key, with prices, quotas and permissions.

    `model_prices` are by model. `outcome_contract_prices` apply to calls tagged with an outcome
    contract in force, by contract tag and model. `rate_limit_quotas` are in x-ratelimit headers.
    `variants` are fine-tuned models by public id, `promoted_versions` those that replace built-in
    models. `allowed_…` and `permissions` limit the key; None allows all. `guard` checks texts.
    """

    account_id: UUID
    key_id: UUID
    currency: str
    model_prices: Mapping[str, ModelPrices] = field(default_factory=dict)
    outcome_contract_prices: Mapping[str, Mapping[str, ModelPrices]] = field(default_factory=dict)
    quotas: tuple[QuotaRef, ...] = ()
    rate_limit_quotas: tuple[QuotaRef, ...] = ()
    variants: Mapping[str, AccountVariant] = field(default_factory=dict)
    promoted_versions: Mapping[str, UUID] = field(default_factory=dict)
    allowed_models: frozenset[str] | None = None
    allowed_service_tiers: frozenset[str] | None = None
    guard: Guard | None = None
    project_id: UUID | None = None
    permissions: frozenset[str] | None = None


class ServiceTier(StrEnum):
    """OpenAI's `service_tier`: the order of queued calls. `batch` is that of calls in batches."""

    PRIORITY = "priority"
    DEFAULT = "default"
    FLEX = "flex"
    BATCH = "batch"


@frozen_dataclass(frozen=True, slots=True)
class OutputBounds:
    """Upper bounds of what a call can consume besides its prompt.

    `is_client_limited` is True if the client set `max_tokens_per_choice`, False if the model did.
    Rows, images, fine-tuning seconds and readings are consumed in full or not at all.
    """

    max_tokens_per_choice: int = 0
    choices: int = 1
    rows: int = 0
    images: int = 0
    adaptation_seconds: int = 0
    readings: int = 0
    is_client_limited: bool = False

    @property
    def non_token_units(self) -> Quantities:
        """Return the units that are not tokens: rows, images, seconds and readings."""
        units = self.rows, self.images, self.adaptation_seconds, self.readings
        return Quantities(None, None, None, *units) if any(units) else NO_USAGE


@frozen_dataclass(frozen=True, slots=True)
class ModelSelection:
    """The model that the gateway selected for a call, with the reason and its fallbacks.

    `fallbacks` are tried in order. `task_confidences` are the classifier's probabilities by task,
    highest first. `suggested_model_id` is a specialist for the task behind another endpoint.
    """

    model: Model
    reason: str
    fallbacks: tuple[Model, ...] = ()
    task_confidences: Mapping[str, float] = field(default_factory=dict)
    suggested_model_id: str | None = None


@frozen_dataclass(frozen=True, slots=True)
class RetrievalRequest:
    """A `file_search` of a chat: vector stores, query, result limits and ranking weights.

    Passages add at most `max_added_tokens`. With `searches_handbook` there may be no store.
    """

    store_ids: tuple[str, ...]
    query: str
    max_results: int
    max_added_tokens: int
    filter: Mapping[str, Any] | None = None
    min_score: float = 0.0
    embedding_weight: float = 1.0
    text_weight: float = 1.0
    searches_handbook: bool = False
    uses_plant_graph: bool = True


@frozen_dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A parsed request: the body to send upstream and how to read the response.

    `measure` returns the quantities that a complete, non-streamed response consumed.
    `convert_response` turns the upstream's response into the client's format; None if equal.
    `stream_reader` creates what converts and measures the stream; None unless `stream`.
    `request_fields` are the raw JSON fields by name. `with_max_tokens` returns the body limited to
    that many tokens per choice. `selection` is set if the gateway selected the model, `retrieval`
    if passages must be retrieved before it is sent, `citations` once they were. A `quotation`
    answers it without a model. `hosted_tools` may be called; with `refuses_tools`, the client wants
    none. A `decision` is several requests.
    """

    model: Model
    path: str
    body: bytes
    headers: Mapping[str, str]
    measure: Callable[[bytes], Quantities]
    convert_response: Callable[[bytes], bytes] | None = None
    stream: bool = False
    stream_reader: StreamReaderFactory | None = None
    output_bounds: OutputBounds = OutputBounds()
    service_tier: ServiceTier = ServiceTier.DEFAULT
    request_fields: Mapping[str, msgspec.Raw] = field(default_factory=dict)
    with_max_tokens: Callable[[int], bytes] | None = None
    tags: Mapping[str, str] | None = None
    variant_id: UUID | None = None
    selection: ModelSelection | None = None
    retrieval: RetrievalRequest | None = None
    citations: Citations | None = None
    quotation: Quotation | None = None
    hosted_tools: HostedTools | None = None
    refuses_tools: bool = False
    decision: DecisionRequest | None = None


class OutputReservation(Protocol):
    """The reserved output tokens of a running stream, which can be extended to `max_tokens`.

    `max_tokens` is the limit that the engine was given.
    """

    @property
    def reserved_tokens(self) -> int:
        """Return the output tokens reserved so far."""
        ...

    @property
    def max_tokens(self) -> int:
        """Return the limit of output tokens that the engine was given for the call."""
        ...

    async def extend(self) -> bool:
        """Reserve more tokens. Returns False if a quota does not allow more."""
        ...


@frozen_dataclass(frozen=True, slots=True)
class AdmittedCall:
    """An admitted call: its payer, its prices and its quota reservation.

    `output_reservation` extends a stream's reservation in steps; None if all of it is reserved.
    `reduced_max_tokens` is the limit of tokens per choice that the engine is given because quotas
    do not cover the requested length; None if they do.
    """

    principal: Principal
    request: ParsedRequest
    model_prices: ModelPrices
    reservation: Reservation
    output_reservation: OutputReservation | None = None
    reduced_max_tokens: int | None = None


@frozen_dataclass(frozen=True, slots=True)
class UpstreamTarget:
    """The upstream that answers a call, and what the operator pays for the model there.

    `cost` are nano-units by currency and meter, empty if unknown. An upstream of the catalog knows
    the model as `model_name` and gets the `secret_headers`; own servers know it by the name in the
    request, and `model_name` is None.
    """

    name: str = OWN_SERVERS
    cost: Prices = field(default_factory=lambda: MappingProxyType({}))
    model_name: str | None = None
    secret_headers: Mapping[str, SecretStr] = field(default_factory=lambda: MappingProxyType({}))


_OWN_SERVERS_TARGET = UpstreamTarget()


@frozen_dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """An admitted call addressed to one model server.

    `server` is the server's base URL. `trace_headers` propagate the trace context.
    """

    url: str
    request: ParsedRequest
    request_id: UUID
    server: str = ""
    output_reservation: OutputReservation | None = None
    trace_headers: Mapping[str, str] = field(default_factory=dict)
    upstream: UpstreamTarget = _OWN_SERVERS_TARGET

    @property
    def server_id(self) -> str:
        """Return the id of the server: the upstream's name, or the URL of an own server."""
        return self.server if self.upstream.model_name is None else self.upstream.name

    @property
    def response_model(self) -> str | None:
        """Return the name that the response gets, None for the own server's name.

        An upstream of the catalog reports its own name of the model.
        """
        return None if self.upstream.model_name is None else self.request.model.id


@frozen_dataclass(frozen=True, slots=True)
class CallResult:
    """The outcome of a call and the bytes withheld until its usage row is durable.

    `tail` is the whole body, or the end of a stream. `stream_started` is True if `status` and
    `headers` were sent already. `usage_event` is the last chunk of a stream, with the usage that
    the client requested. `first_chunk_monotonic` is in monotonic seconds. `upstream` is what
    answered; None if no upstream did. `input_bins` are the binned inputs of a fine-tuned model that
    is watched for drift. `grounded_stream` is set for a stream with passages; its rejected drafts
    are still to be corrected.
    """

    settlement: Settlement
    status: int
    tail: bytes
    headers: Mapping[str, str]
    quantities: Quantities = NO_USAGE
    error_code: str | None = None
    error: AppError | None = None
    stream_started: bool = False
    first_chunk_monotonic: float | None = None
    usage_event: bytes | None = None
    upstream: UpstreamTarget | None = None
    input_bins: bytes | None = None
    grounded_stream: GroundedStream | None = None
