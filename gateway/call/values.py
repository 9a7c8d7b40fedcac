"""The frozen values that pass between the stages of a call.

    Call -> Principal -> Ask -> Ticket -> Target -> Completion

Each stage takes one and returns the next; nothing here does anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, Protocol
from uuid import UUID

import msgspec

from billing.metering.quotas import QuotaRef
from billing.rating.quantities import NOTHING, Quantities
from billing.tables import Settlement
from gateway.call.reservation import Hold
from infra.errors import AppError
from models.catalog import Model


class Operation(StrEnum):
    """What is asked for; the names are OpenTelemetry's where it has one."""

    CHAT = "chat"
    TEXT_COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"
    PREDICTIONS = "predictions"
    INFER = "infer"
    ADAPTATION = "adaptation"
    UNSUPPORTED = "unsupported"


class UsageWish(Enum):
    """Whether the client of a stream asked to see usage; the engine is always asked."""

    NONE = "none"
    LAST = "last"
    EVERY = "every"


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """Somebody who is signed in and calls with a key of the account without holding its secret.
    Only our own pages make one, after they have asked who it is and what they may."""

    account_id: UUID
    key_id: UUID


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it arrived. `started` is monotonic seconds, for durations only; `address` that
    of the client. It names its key by `credentials`, or by `on_behalf` where nobody sent any."""

    request_id: UUID
    operation: Operation
    path: str
    credentials: str | None
    headers: Mapping[bytes, bytes]
    model_in_path: str | None
    started_at: datetime
    started: float
    version_in_path: str | None = None
    address: str = ""
    on_behalf: OnBehalf | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What answers: a model of the catalog, a version of it that was promoted since, or an
    account's own variant of it. `place` is what its server calls it, `shown` what the customer
    does, `variant` the id of what the server may have to be given first."""

    model: Model
    place: str
    shown: str
    variant: UUID | None = None


@dataclass(frozen=True, slots=True)
class Priced:
    """What a model costs an account: the terms that say so, nano-units by meter, and the allowances
    that they include, in the order in which calls take from them. `service_tier` is None for the
    default one."""

    version_id: UUID
    prices: Mapping[str, int]
    included: tuple[QuotaRef, ...] = ()
    service_tier: str | None = None


@dataclass(frozen=True, slots=True)
class OwnVariant:
    """An account's variant of a specialist: its versions' ids by number, and which of them answers
    where none is asked for."""

    base: str
    versions: Mapping[int, UUID]
    current: int


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: an account through one of its keys, at its own prices by model.

    `coverings` are those of the calls for its outcome contracts in force, by the contract's tag.
    `rates` are the quotas told in headers. `variants` are its own, by the model's public id;
    `versions` those of shared models that answer everybody, by model, where not the built-in one.
    `models` are those that the key may call, None for all; others have no price here.
    `service_tiers` are those that the key may call at, None for all.
    """

    account_id: UUID
    key_id: UUID
    currency: str
    contract: Mapping[str, Priced] = field(default_factory=dict)
    coverings: Mapping[str, Mapping[str, Priced]] = field(default_factory=dict)
    quotas: tuple[QuotaRef, ...] = ()
    rates: tuple[QuotaRef, ...] = ()
    variants: Mapping[str, OwnVariant] = field(default_factory=dict)
    versions: Mapping[str, UUID] = field(default_factory=dict)
    models: frozenset[str] | None = None
    service_tiers: frozenset[str] | None = None


class Tier(StrEnum):
    """OpenAI's `service_tier`: who goes first when there is more to do than can be done."""

    PRIORITY = "priority"
    DEFAULT = "default"
    FLEX = "flex"


@dataclass(frozen=True, slots=True)
class Extent:
    """How large a call's answer can become.

    `output_each` is the most tokens of one choice; `limited` where the client itself set that,
    rather than the model. Of rows, images and seconds of adaptation a call takes all or nothing.
    """

    output_each: int = 0
    choices: int = 1
    rows: int = 0
    images: int = 0
    adaptation_seconds: int = 0
    limited: bool = False

    @property
    def whole(self) -> Quantities:
        """What of it is no matter of tokens."""
        return Quantities(
            rows=self.rows, images=self.images, adaptation_seconds=self.adaptation_seconds
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """Which model answers, where the client left that to us, and why.

    `others` may stand in for it, in this order. `confidences` are those of the task that the words
    ask for, the likeliest first; `suggested` would do that task, but at another address.
    """

    model: Model
    reason: str
    others: tuple[Model, ...] = ()
    confidences: Mapping[str, float] = field(default_factory=dict)
    suggested: str | None = None


@dataclass(frozen=True, slots=True)
class Searching:
    """A wish for passages before a chat's question: of which stores, how many, and what counts.

    `most_tokens` is how much longer the prompt may become by them.
    """

    store_ids: tuple[str, ...]
    question: str
    most: int
    most_tokens: int
    filter: Mapping[str, Any] | None = None
    least_score: float = 0.0
    meaning: float = 1.0
    words: float = 1.0


class Marks(Protocol):
    """What a stream cites, gathered while it goes by."""

    def feed(self, events: bytes) -> None: ...

    def event(self) -> bytes:
        """The event that tells it, after the last of the answer."""
        ...


class Citing(Protocol):
    """What an answer rests on, told with it."""

    def plain(self, body: bytes) -> bytes: ...

    def stream(self) -> Marks: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that was understood: what goes upstream and how to read what comes back.

    `shown_tier` is the tier that the answer names, where the client named one.
    `measure` reads what a whole plain answer consumed; `reshape` turns the upstream's answer into
    the client's, where the two differ. `choices_each` is the number of choices for each prompt,
    `prompt` the request's fields, `tags` what the call is for, `shortened` gives the body with at
    most so many tokens a choice, `choice` is how its model was chosen, if it was, `searching` what
    is to be looked for before it can be sent, and `cited` what was found.
    """

    model: Model
    path: str
    body: bytes
    headers: Mapping[str, str]
    measure: Callable[[bytes], Quantities]
    reshape: Callable[[bytes], bytes] | None = None
    stream: bool = False
    usage_wish: UsageWish = UsageWish.NONE
    choices_each: int = 1
    extent: Extent = Extent()
    tier: Tier = Tier.DEFAULT
    shown_tier: str | None = None
    prompt: Mapping[str, msgspec.Raw] = field(default_factory=dict)
    shortened: Callable[[int], bytes] | None = None
    tags: Mapping[str, str] | None = None
    variant: UUID | None = None
    choice: Choice | None = None
    searching: Searching | None = None
    cited: Citing | None = None


class Allowance(Protocol):
    """How many output tokens of a stream are held for, and a way to more: to as many as the engine
    was told to generate at most."""

    @property
    def covered(self) -> int: ...

    @property
    def most(self) -> int: ...

    async def extend(self) -> bool:
        """Hold more; False where no more can be had."""
        ...


@dataclass(frozen=True, slots=True)
class Ticket:
    """An admitted call: who pays, by which terms and unit prices, and what is held.

    `allowance` limits a stream whose whole extent is not held; None where it is. An answer that
    limits make shorter is `shortened_to` so many tokens a choice, and its engine is told so.
    """

    principal: Principal
    ask: Ask
    priced: Priced
    hold: Hold
    allowance: Allowance | None = None
    shortened_to: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where an admitted call goes. `carried` are headers that say which trace it belongs to."""

    url: str
    ask: Ask
    request_id: UUID
    server: str = ""
    allowance: Allowance | None = None
    carried: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """How a call ended, and the bytes that the client gets once the usage row is durable.

    `started` says that a stream has begun, so that `status` and `headers` were sent already.
    `usage_event` is the stream's last chunk, with the usage that the client asked for.
    """

    settlement: Settlement
    status: int
    tail: bytes
    headers: Mapping[str, str]
    quantities: Quantities = NOTHING
    error_code: str | None = None
    error: AppError | None = None
    started: bool = False
    first_chunk: float | None = None
    usage_event: bytes | None = None
