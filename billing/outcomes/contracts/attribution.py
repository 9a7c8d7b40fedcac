"""Attribution: whether an effect is owed to calls of ours, and billable at all.

    in force when it happened -> a call of ours about the same subject in time,
                                 of a model and operation that the contract names
                              -> no other effect of that subject nearby

The same rules judge a claim as it comes and, from the evidence bundle alone, a claim that was
settled. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.outcomes.contracts.pricing import SILENCE
from billing.outcomes.contracts.terms import AttesterKind, Deadlines, Event, OutcomeTerms
from billing.rating.terms import ANY_MODEL

CONTRACT_TAG = "contract"
MOST_CALLS = 100


class Refusal(StrEnum):
    """Why a claim is kept, but never billed."""

    NOT_IN_FORCE = "not_in_force"  # before the contract began, or after its end
    NO_CALL = "no_call"  # no call of ours about the subject in time
    CALL_NOT_ELIGIBLE = "call_not_eligible"  # calls of other models or operations only
    CALL_TAKEN = "call_taken"  # the calls that it names serve another outcome
    DOUBLED = "doubled"  # the contract has an outcome of that subject nearby
    CLAIMED_ELSEWHERE = "claimed_elsewhere"  # another contract of the account has it
    DENIED = "denied"  # an accepted attester says that it was not there


@dataclass(frozen=True, slots=True)
class Span:
    """From when calls may serve an outcome, and up to when."""

    since: datetime
    until: datetime

    def holds(self, at: datetime) -> bool:
        return self.since <= at <= self.until


def span_of_calls(kind: Event, happened_at: datetime) -> Span:
    """When a call must have begun to be what an outcome is owed to."""
    return Span(
        happened_at - timedelta(hours=kind.window_hours),
        happened_at - timedelta(hours=kind.lead_hours),
    )


def is_about(
    tags: Mapping[str, str] | None, terms: OutcomeTerms, subject: str, *, named: bool
) -> bool:
    """Whether a call's tags say the subject and the contract.

    One that the claim names may leave them out, but not say others.
    """
    said, wanted = tags or {}, {terms.subject_tag: subject, CONTRACT_TAG: terms.tag}
    return all(said.get(name, value if named else None) == value for name, value in wanted.items())


def too_close(kind: Event, at: datetime, other: datetime) -> bool:
    """Whether two effects of one subject are taken for one. Of none apart, only the very same."""
    return abs(at - other) <= timedelta(hours=kind.apart_hours)


def confirms(terms: OutcomeTerms, kind: str, *, same_as_claimant: bool) -> bool:
    """Whether a statement counts as a confirmation.

    An accepted attester's does, also where it is the claim itself; but our own model never
    confirms what it claimed itself.
    """
    accepted = kind in terms.attesters
    return accepted and not (same_as_claimant and kind == AttesterKind.OUR_MODEL)


def silent_until(deadlines: Deadlines, claimed_at: datetime) -> datetime | None:
    """When an outcome that nobody confirmed counts; None where silence is not billable."""
    if deadlines.silence_days is None:
        return None
    return claimed_at + timedelta(days=deadlines.silence_days)


def can_be_reversed(deadlines: Deadlines, happened_at: datetime, at: datetime) -> bool:
    return at <= happened_at + timedelta(days=deadlines.reversal_days)


def requirement(terms: OutcomeTerms) -> str:
    """What the contract requires of a call, for an error message."""
    models = ["any model" if one == ANY_MODEL else one for one in terms.supporting.models]
    operations = terms.supporting.operations or ("none of its covered meters' operations",)
    return (
        f"The contract requires a call of {' or '.join(models)}, made by {' or '.join(operations)}."
    )


@dataclass(frozen=True, slots=True)
class Supporting:
    """A call that an outcome rests on. Bundles older than [attribution] name no operation."""

    started_at: datetime
    model: str | None
    operation: str | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What is known of a settled outcome, as its bundle tells it."""

    happened_at: datetime
    claimed_at: datetime
    attested_by: str
    confirmed_at: datetime
    calls: tuple[Supporting, ...]


def holds(terms: OutcomeTerms, kind: Event, one: Settled, nearby: Iterable[Settled]) -> bool:
    """Whether a settled outcome is billable by the terms, judged by what is known of it alone and
    of others of its subject."""
    in_time = span_of_calls(kind, one.happened_at)
    doubled = (too_close(kind, one.happened_at, other.happened_at) for other in nearby)
    return (
        any(in_time.holds(call.started_at) and _supports(terms, call) for call in one.calls)
        and not any(doubled)
        and _attested(terms, one)
    )


def _supports(terms: OutcomeTerms, call: Supporting) -> bool:
    """A settlement made before operations were kept is judged as it was then."""
    if call.operation is None and terms.attribution is None:
        return True
    return terms.supporting.allows(call.model, call.operation)


def _attested(terms: OutcomeTerms, one: Settled) -> bool:
    if one.attested_by != SILENCE:
        return one.attested_by in terms.attesters
    since = silent_until(terms.deadlines, one.claimed_at)
    return since is not None and since <= one.confirmed_at
