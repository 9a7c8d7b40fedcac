"""The evidence bundle of a settlement: everything needed to recompute it, as canonical JSON.

Contains the terms, the outcomes with claims, confirmations and calls, the signed evidence, the
measurement inputs, and the result. The field names are keys of JSON that is hashed and stored:
they must not change.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from billing.outcomes.contracts.pricing import AttesterPart, MonthPrice
from infra.errors import AppError

FORMAT_VERSION = 1
# The id of the measured effect of a month; outcomes have ids of their own.
MEASURED_EFFECT_ID = "effect"


class BundleInvalid(AppError):
    """The text is not a valid evidence bundle."""

    status = 400
    type = "invalid_request_error"
    code = "outcome_bundle_invalid"


@dataclass(frozen=True, slots=True)
class BundleCall:
    """A call that an outcome is attributed to."""

    request_id: str
    model: str | None
    plan_version: str | None
    started_at: datetime
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    rows: int | None
    tags: dict[str, str]
    # None in bundles that are older than these meters.
    images: int | None = None
    adaptation_seconds: int | None = None
    readings: int | None = None
    # None in bundles that are older than [attribution].
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class BundleEvidence:
    """A piece of evidence as it was signed, with its attester; bytes are hexadecimal."""

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
class BundleOutcome:
    """A confirmed outcome; `claim` and `confirmation` are ids of evidence."""

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
    calls: tuple[BundleCall, ...]
    # The ledger record that the claim cites; None without prediction rules.
    prediction: str | None = None


@dataclass(frozen=True, slots=True)
class BundleModelKey:
    """A model's public key, in hexadecimal; records from `invalid_from` on support no claim."""

    kid: str
    model: str
    public_key: str
    invalid_from: datetime | None


@dataclass(frozen=True, slots=True)
class BundleObserved:
    """An event of a prediction period: `id` is an outcome or the signed event `evidence` itself."""

    id: str
    subject: str
    happened_at: datetime
    evidence: str


@dataclass(frozen=True, slots=True)
class BundlePredictionPeriod:
    """A period of a version with prediction rules: its records (JWS), their keys, its events."""

    version: str
    starts_at: datetime
    ends_at: datetime
    records: tuple[str, ...]
    keys: tuple[BundleModelKey, ...]
    events: tuple[BundleObserved, ...]


@dataclass(frozen=True, slots=True)
class BundleVersion:
    """A contract version: the exact text of its terms, and the period in which it was in force."""

    id: str
    number: int
    starts_at: datetime
    ends_at: datetime | None
    terms: str

    def is_in_force(self, at: datetime) -> bool:
        """Return whether a time lies in the version's period; `ends_at` itself does not."""
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True, slots=True)
class BundleUsage:
    """The usage of one model by the contract's covered calls in the month."""

    model: str
    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    rows: int
    # 0 in bundles that are older than these meters.
    images: int = 0
    adaptation_seconds: int = 0
    readings: int = 0


@dataclass(frozen=True, slots=True)
class EffectMeasurement:
    """The measurement of an effect: its inputs as canonical JSON, and the result.

    `micro` is the billable savings in millionths of a unit, by the attester kind of the readings.
    """

    inputs: str
    micro: dict[str, int]
    report: Any = None


@dataclass(frozen=True, slots=True)
class VersionMeasurement:
    """The measurement under one version, on the days of the month on which it was in force."""

    version: str
    measured: EffectMeasurement


@dataclass(frozen=True, slots=True)
class SettlementResult:
    """The result of a settlement: millionths of a unit, minor units, and parts by attester.

    `usage` is the list price of the covered usage if it limits the price, else None.
    """

    micro: int
    minor: int
    usage: int | None
    parts: tuple[AttesterPart, ...]

    @classmethod
    def from_price(cls, priced: MonthPrice, usage: int | None) -> "SettlementResult":
        """Build the result of a month's price; `usage` is the limiting list price (minor units)."""
        return cls(priced.micro, priced.minor, usage, priced.parts)


@dataclass(frozen=True, slots=True)
class EvidenceBundle:
    """A settlement with all its inputs.

    `share` is the share of the month's days in force, `version` the version whose price bounds
    apply, `list_terms` the price list for the usage bound.
    """

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
    versions: tuple[BundleVersion, ...]
    list_terms: str | None
    use: tuple[BundleUsage, ...]
    outcomes: tuple[BundleOutcome, ...]
    evidence: tuple[BundleEvidence, ...]
    measured: tuple[VersionMeasurement, ...]
    result: SettlementResult | None = None
    predictions: tuple[BundlePredictionPeriod, ...] = ()

    @property
    def effect_ids(self) -> frozenset[str]:
        """Return the ids of the effects that can be disputed."""
        measured = {MEASURED_EFFECT_ID} if self.measured else set()
        return frozenset(one.id for one in self.outcomes) | measured

    def with_result(self, result: SettlementResult) -> "EvidenceBundle":
        """Return a copy of the bundle with the result."""
        return replace(self, result=result)

    def canonical_json(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces."""
        return msgspec.json.encode(self, order="sorted").decode()


def parse_bundle(text: str) -> EvidenceBundle:
    """Parse the canonical JSON of a bundle. Raises BundleInvalid."""
    try:
        bundle = msgspec.json.decode(text, type=EvidenceBundle)
    except msgspec.DecodeError as error:
        raise BundleInvalid("The file is not an evidence bundle.") from error
    if bundle.format != FORMAT_VERSION:
        raise BundleInvalid(
            f"The bundle has format {bundle.format}; this version reads {FORMAT_VERSION}."
        )
    return bundle


def bundle_digest(text: str) -> bytes:
    """Return the SHA-256 of a bundle's canonical JSON."""
    return hashlib.sha256(text.encode()).digest()
