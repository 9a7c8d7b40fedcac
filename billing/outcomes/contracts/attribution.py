"""Attribution rules: whether an outcome is attributable to our calls and billable.

    contract in force -> a call about the same subject within the call window, of a model and
                         operation that the contract names
                      -> no other outcome of the same subject nearby in time

The same rules apply to a new claim and, from the evidence bundle alone, to a settled one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.outcomes.contracts.pricing import SILENCE
from billing.outcomes.contracts.terms import (
    AttesterKind,
    ContractDeadlines,
    EventEffect,
    OutcomeTerms,
)
from billing.rating.terms import ANY_MODEL

CONTRACT_TAG = "contract"
MAX_CALLS = 100


class ClaimRefusal(StrEnum):
    """The reason why a claim is recorded but never billed."""

    NOT_IN_FORCE = "not_in_force"  # the outcome happened before the contract began or after its end
    NO_CALL = "no_call"  # no call about the subject within the call window
    CALL_NOT_ELIGIBLE = (
        "call_not_eligible"  # only calls of models or operations that the contract does not name
    )
    CALL_TAKEN = "call_taken"  # the calls support another outcome already
    DOUBLED = "doubled"  # the contract has an outcome of the subject nearby in time
    CLAIMED_ELSEWHERE = "claimed_elsewhere"  # another contract of the account has the same outcome
    RECORD_TAKEN = "record_taken"  # the prediction record supports another outcome already
    DENIED = "denied"  # an accepted attester denied the outcome


@dataclass(frozen=True, slots=True)
class CallWindow:
    """The time range in which a call may support an outcome, both ends included."""

    since: datetime
    until: datetime

    def contains(self, at: datetime) -> bool:
        """Return whether a time lies in the window, both ends included."""
        return self.since <= at <= self.until


def call_window(effect: EventEffect, happened_at: datetime) -> CallWindow:
    """Return the time range in which a supporting call must have started."""
    return CallWindow(
        happened_at - timedelta(hours=effect.window_hours),
        happened_at - timedelta(hours=effect.lead_hours),
    )


def has_matching_tags(
    tags: Mapping[str, str] | None, terms: OutcomeTerms, subject: str, *, listed_in_claim: bool
) -> bool:
    """Return whether tags fit subject and contract; `listed_in_claim` lets a call lack tags.

    A call listed in the claim may lack the tags, but must not have other values.
    """
    actual, required = tags or {}, {terms.subject_tag: subject, CONTRACT_TAG: terms.tag}
    return all(
        actual.get(name, value if listed_in_claim else None) == value
        for name, value in required.items()
    )


def is_same_effect(effect: EventEffect, happened_at: datetime, other_happened_at: datetime) -> bool:
    """Return whether two outcomes of one subject are so close in time that they count as one.

    If `apart_hours` is 0, only simultaneous outcomes do.
    """
    return abs(happened_at - other_happened_at) <= timedelta(hours=effect.apart_hours)


def is_confirmation(terms: OutcomeTerms, attester_kind: str, *, same_as_claimant: bool) -> bool:
    """Return whether a statement confirms an outcome; our model cannot confirm its own claim.

    The attester kind must be accepted by the contract. The claim itself may be the confirmation,
    except if our own model made it. With prediction rules, our model attests predictions by the
    signatures of their records, and never the event.
    """
    accepted = attester_kind in terms.attesters
    if attester_kind == AttesterKind.OUR_MODEL and terms.predictions is not None:
        return False
    return accepted and not (same_as_claimant and attester_kind == AttesterKind.OUR_MODEL)


def silence_deadline(deadlines: ContractDeadlines, claimed_at: datetime) -> datetime | None:
    """Return when an unconfirmed outcome counts as confirmed; None if silence is not billable."""
    if deadlines.silence_days is None:
        return None
    return claimed_at + timedelta(days=deadlines.silence_days)


def is_reversible(deadlines: ContractDeadlines, happened_at: datetime, at: datetime) -> bool:
    """Return whether an outcome can still be reversed at `at`: within `reversal_days`."""
    return at <= happened_at + timedelta(days=deadlines.reversal_days)


def supporting_call_requirement(terms: OutcomeTerms) -> str:
    """Return an error text that states which models' and operations' calls support a claim."""
    models = ["any model" if one == ANY_MODEL else one for one in terms.supporting.models]
    operations = terms.supporting.operations or ("none of the operations of its covered meters",)
    return (
        f"The contract requires a call of {' or '.join(models)}, made by {' or '.join(operations)}."
    )


@dataclass(frozen=True, slots=True)
class SupportingCall:
    """A call that supports an outcome; in bundles older than [attribution] without operation."""

    started_at: datetime
    model: str | None
    operation: str | None


@dataclass(frozen=True, slots=True)
class SettledOutcome:
    """A settled outcome as recorded in its evidence bundle."""

    happened_at: datetime
    claimed_at: datetime
    attested_by: str
    confirmed_at: datetime
    calls: tuple[SupportingCall, ...]


def is_billable(
    terms: OutcomeTerms,
    effect: EventEffect,
    outcome: SettledOutcome,
    same_subject: Iterable[SettledOutcome],
) -> bool:
    """Return whether an outcome is attested, has a supporting call and has no duplicate.

    `same_subject` are the other outcomes of its subject.
    """
    window = call_window(effect, outcome.happened_at)
    return any(
        window.contains(call.started_at) and _is_supporting(terms, call) for call in outcome.calls
    ) and is_attested_once(terms, effect, outcome, same_subject)


def is_attested_once(
    terms: OutcomeTerms,
    effect: EventEffect,
    outcome: SettledOutcome,
    same_subject: Iterable[SettledOutcome],
) -> bool:
    """Return whether an outcome is attested and has no duplicate among those of its subject."""
    duplicates = (
        is_same_effect(effect, outcome.happened_at, other.happened_at) for other in same_subject
    )
    return not any(duplicates) and _is_attested(terms, outcome)


def _is_supporting(terms: OutcomeTerms, call: SupportingCall) -> bool:
    """Return whether the contract accepts the call's model and operation.

    Settlements from before operations were recorded accept any call, as they did then.
    """
    if call.operation is None and terms.attribution is None:
        return True
    return terms.supporting.allows(call.model, call.operation)


def _is_attested(terms: OutcomeTerms, outcome: SettledOutcome) -> bool:
    """Return whether an accepted attester, or silence until the deadline, confirmed an outcome."""
    if outcome.attested_by != SILENCE:
        return outcome.attested_by in terms.attesters
    deadline = silence_deadline(terms.deadlines, outcome.claimed_at)
    return deadline is not None and deadline <= outcome.confirmed_at
