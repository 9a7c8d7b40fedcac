"""Credit policies: the immutable rules of one version, and their canonical JSON.

    limit = earned limit (start, raise steps, lowering, freeze) + deposits + guarantees, at most the
            maximum

Amounts are minor units of the policy's currency. The version's id is a hash of its number and the
canonical JSON, so the JSON proves by which rules a limit was decided.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from billing.credit.errors import CreditPolicyInvalid
from billing.money import PPM, nano_per_minor, require_currency
from billing.rating.toml import field_message
from infra.sentences import Sentence, message_of, sentence

# Name by which an account opts out of its plan's policy.
NO_POLICY = "none"
# The highest credit limit that quotas hold, in nano-units.
MAX_LIMIT_NANO = 10**18
_MAX_MINOR = 10**13
_MAX_COUNT = 10_000
_MAX_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseStep:
    """A step of the earned limit, reached when all its conditions are met.

    `paid_on_time` is a number of invoices, `paid` an amount received, `age_days` the account's age.
    `used_ppm` is the highest invoice as a share of the limit before this step.
    """

    limit: int
    paid_on_time: int = 0
    paid: int = 0
    age_days: int = 0
    used_ppm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowering:
    """While an invoice is overdue for `days_overdue`, `ppm` of the earned limit is taken off."""

    days_overdue: int
    ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeRules:
    """What stops raises of the earned limit; None switches a rule off.

    `days_overdue` days of the oldest invoice, a `disputed` amount, and a number of chargebacks and
    of failed payments within `window_days`. A rule applies from its value on.
    """

    days_overdue: int | None = None
    disputed: int | None = None
    chargebacks: int | None = None
    failed_payments: int | None = None
    window_days: int = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPolicy:
    """One version of a credit policy. Raises CreditPolicyInvalid.

    An invoice counts as paid on time up to `on_time_grace_days` after its due date. `deposit_ppm`
    and `guarantee_ppm` of a deposit and of guarantees are added to the earned limit.
    """

    policy: str
    currency: str
    starting: int
    maximum: int
    steps: tuple[RaiseStep, ...] = ()
    lowerings: tuple[Lowering, ...] = ()
    freeze: FreezeRules = field(default_factory=FreezeRules)
    on_time_grace_days: int = 3
    deposit_ppm: int = PPM
    guarantee_ppm: int = PPM

    def __post_init__(self) -> None:
        is_name = self.policy.isidentifier() and len(self.policy) <= 60
        _require(is_name and self.policy != NO_POLICY, "policy", sentence("must be an identifier"))
        try:
            require_currency(self.currency)
        except ValueError as error:
            message = field_message("currency", message_of(error))
            raise CreditPolicyInvalid(message, param="currency") from None
        _require(
            0 <= self.starting <= self.maximum <= _MAX_MINOR,
            "maximum",
            sentence("must not be below the starting limit"),
        )
        _require(
            self.maximum * nano_per_minor(self.currency) <= MAX_LIMIT_NANO,
            "maximum",
            sentence("is too large"),
        )
        for name in ("deposit_ppm", "guarantee_ppm"):
            _require(0 <= getattr(self, name) <= PPM, name, sentence("must be 0 to 100 %"))
        in_range = 0 <= self.on_time_grace_days <= 60
        _require(in_range, "on_time_grace_days", sentence("must be 0 to 60"))
        self._require_rising_steps()
        self._require_rising_lowerings()
        self._require_freeze_rules()

    def _require_rising_steps(self) -> None:
        """Raise CreditPolicyInvalid unless limits rise and no condition falls."""
        before = RaiseStep(limit=self.starting)
        for at, step in enumerate(self.steps):
            name = f"step[{at}]"
            _require(
                before.limit < step.limit <= self.maximum,
                name,
                sentence("must be above the step before, and at most the maximum"),
            )
            for condition in ("paid_on_time", "paid", "age_days", "used_ppm"):
                value = getattr(step, condition)
                _require(
                    getattr(before, condition) <= value <= _MAX_MINOR,
                    name,
                    sentence("{field} must not be below the step before", field=condition),
                )
            message = sentence("used_percent must be at most 100 %")
            _require(step.used_ppm <= PPM, name, message)
            before = step

    def _require_rising_lowerings(self) -> None:
        """Raise CreditPolicyInvalid unless lowerings rise in days and share."""
        before = Lowering(days_overdue=0, ppm=0)
        for at, lowering in enumerate(self.lowerings):
            _require(
                before.days_overdue < lowering.days_overdue <= _MAX_DAYS
                and before.ppm < lowering.ppm <= PPM,
                f"lowering[{at}]",
                sentence("must be above the one before, and at most 100 %"),
            )
            before = lowering

    def _require_freeze_rules(self) -> None:
        """Raise CreditPolicyInvalid if a freeze rule is out of range."""
        rules = self.freeze
        for name, most in (
            ("days_overdue", _MAX_DAYS),
            ("disputed", _MAX_MINOR),
            ("chargebacks", _MAX_COUNT),
            ("failed_payments", _MAX_COUNT),
        ):
            value = getattr(rules, name)
            in_range = value is None or 0 < value <= most
            _require(in_range, f"freeze.{name}", sentence("must be positive"))
        in_range = 1 <= rules.window_days <= 3650
        _require(in_range, "freeze.window_days", sentence("must be 1 to 3650"))

    def canonical_json(self) -> bytes:
        """Return the canonical JSON: sorted keys, no spaces, defaults written out."""
        return msgspec.json.encode(self, order="sorted")

    def version_id(self, number: int) -> UUID:
        """Return the id as version `number`: the start of the SHA-256 of number and JSON."""
        content = f"{number}:".encode() + self.canonical_json()
        return UUID(bytes=hashlib.sha256(content).digest()[:16])


def parse_policy(text: str) -> CreditPolicy:
    """Parse `CreditPolicy.canonical_json`."""
    return msgspec.json.decode(text, type=CreditPolicy)


def describe_rules(policy: CreditPolicy) -> Mapping[str, Sequence[object] | object]:
    """Return the rules as JSON values, for the API and the CLI."""
    rules: dict[str, object] = msgspec.to_builtins(policy)
    return rules


def _require(condition: bool, field: str, message: Sentence) -> None:
    """Raise CreditPolicyInvalid for the field, with the message, if the condition is false."""
    if not condition:
        raise CreditPolicyInvalid(field_message(field, message), param=field)
