"""Evidence bundles: all by which a settlement can be computed again, as one text.

Terms, outcomes with their claims, confirmations and calls, the evidence as it was signed, the
measurement's inputs, and what it came to. Owns the values, the one canonical JSON form and its
SHA-256. Pure.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from billing.outcomes.contracts.pricing import Part, Priced
from infra.errors import AppError

FORMAT = 1
# The one effect of a month that is measured; outcomes go by their ids.
EFFECT = "effect"


class BundleInvalid(AppError):
    """The text is no evidence bundle."""

    status = 400
    type = "invalid_request_error"
    code = "outcome_bundle_invalid"


@dataclass(frozen=True, slots=True)
class CallShown:
    """A call that an outcome is owed to."""

    request_id: str
    model: str | None
    plan_version: str | None
    started_at: datetime
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    rows: int | None
    tags: dict[str, str]
    # Meters that bundles of before them do not name.
    images: int | None = None
    adaptation_seconds: int | None = None
    # None in bundles that are older than [attribution].
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class EvidenceShown:
    """What was said, by whom, as it was signed; bytes are hexadecimal."""

    id: str
    position: int
    kind: str
    attester_id: str
    attester: str
    attester_kind: str
    public_key: str
    said: str
    digest: str
    chained: str
    signature: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class OutcomeShown:
    """An outcome that counts; `claim` and `confirmation` are ids of evidence."""

    id: str
    business_key: str
    subject: str
    happened_at: datetime
    claimed_at: datetime
    version: str
    attested_by: str
    confirmed_at: datetime
    claim: str
    confirmation: str | None
    calls: tuple[CallShown, ...]


@dataclass(frozen=True, slots=True)
class VersionShown:
    """Terms, word for word, and from when to when they were in force."""

    id: str
    number: int
    starts_at: datetime
    ends_at: datetime | None
    terms: str

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True, slots=True)
class UseShown:
    """What the month's calls for the contract consumed of one model."""

    model: str
    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    rows: int
    # Meters that bundles of before them do not name.
    images: int = 0
    adaptation_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured effect: its inputs as one text, and what they gave. `micro` is the saving that is
    certain enough, in millionths of a unit, by who attested the readings."""

    inputs: str
    micro: dict[str, int]
    report: Any = None


@dataclass(frozen=True, slots=True)
class MeasuredBy:
    """What was measured by a version, on the days of the month on which it was in force."""

    version: str
    measured: Measured


@dataclass(frozen=True, slots=True)
class Result:
    """What it came to; `usage` is what covered calls would have cost, where that bounds it."""

    micro: int
    minor: int
    usage: int | None
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, priced: Priced, usage: int | None) -> "Result":
        return cls(priced.micro, priced.minor, usage, priced.parts)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A settlement with all that it hangs on. `share` is on how much of the month the contract was
    in force, `version` the one whose bounds hold, `list_terms` the list that prices usage."""

    format: int
    settlement: str
    account: str
    contract: str
    tag: str
    currency: str
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    share: str
    version: str
    versions: tuple[VersionShown, ...]
    list_terms: str | None
    use: tuple[UseShown, ...]
    outcomes: tuple[OutcomeShown, ...]
    evidence: tuple[EvidenceShown, ...]
    measured: tuple[MeasuredBy, ...]
    result: Result | None = None

    @property
    def effects(self) -> frozenset[str]:
        """What can be disputed of it, by name."""
        measured = {EFFECT} if self.measured else set()
        return frozenset(one.id for one in self.outcomes) | measured

    def with_result(self, result: Result) -> "Bundle":
        return replace(self, result=result)

    def text(self) -> str:
        """The canonical JSON: sorted keys, no spaces."""
        return msgspec.json.encode(self, order="sorted").decode()


def read_bundle(text: str) -> Bundle:
    """The reverse of `Bundle.text`. Raises BundleInvalid."""
    try:
        bundle = msgspec.json.decode(text, type=Bundle)
    except msgspec.DecodeError as error:
        raise BundleInvalid("The text is no evidence bundle.") from error
    if bundle.format != FORMAT:
        raise BundleInvalid(f"The bundle has format {bundle.format}; this version reads {FORMAT}.")
    return bundle


def digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
