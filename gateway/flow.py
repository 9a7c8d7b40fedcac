"""The frozen values that pass between the stages of a call.

    Call -> Principal -> Ask -> Ticket -> Target -> Completion

Owns their fields. Each stage takes one and returns the next; nothing here does anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from uuid import UUID

from billing.rating import NOTHING, Quantities
from billing.tables import Settlement
from models.catalog import Model


class Operation(StrEnum):
    """What is asked for; the names are OpenTelemetry's where it has one."""

    CHAT = "chat"
    TEXT_COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"
    PREDICTIONS = "predictions"
    INFER = "infer"
    UNSUPPORTED = "unsupported"


class UsageWish(Enum):
    """Whether the client of a stream asked to see usage; the engine is always asked."""

    NONE = "none"
    LAST = "last"
    EVERY = "every"


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it arrived. `started` is monotonic seconds, for durations only."""

    request_id: UUID
    operation: Operation
    path: str
    credentials: str | None
    headers: Mapping[bytes, bytes]
    model_in_path: str | None
    started_at: datetime
    started: float


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: an account through one of its keys."""

    account_id: UUID
    key_id: UUID
    currency: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that was understood: what goes upstream and how to read what comes back.

    `measure` reads what a whole plain answer consumed; `reshape` turns the upstream's answer into
    the client's, where the two differ. `choices_each` is the number of choices for each prompt.
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


@dataclass(frozen=True, slots=True)
class Ticket:
    """An admitted call: who pays, at which unit prices (nano-units by meter)."""

    principal: Principal
    ask: Ask
    prices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """Where an admitted call goes."""

    url: str
    ask: Ask
    request_id: UUID


@dataclass(frozen=True, slots=True)
class Completion:
    """How a call ended, and the bytes that the client gets once the usage row is durable.

    `started` says that a stream has begun, so that `status` and `headers` were sent already.
    """

    settlement: Settlement
    status: int
    tail: bytes
    headers: Mapping[str, str]
    quantities: Quantities = NOTHING
    error_code: str | None = None
    started: bool = False
    first_chunk: float | None = None
