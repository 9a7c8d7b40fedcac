"""The decision about a verified sign-up: does it get an account, and does it get the grant? Pure.

    disposable address, company with an account               -> refuse
    company that the check of the register or its name doubts -> review, no account before
    grant given before for this mailbox, code or company      -> account, no grant
    device or network with a grant, no credit code            -> account, review of the grant
    else                                                      -> account and grant

A person who does not agree that the company has an account can ask for a review once.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What is decided about a sign-up."""

    GRANT = "grant"
    NO_GRANT = "no_grant"
    REVIEW = "review"
    REFUSE = "refuse"


class Reason(StrEnum):
    """Why a sign-up is not simply granted."""

    DISPOSABLE_EMAIL = "disposable_email"
    COMPANY_HAS_ACCOUNT = "company_has_account"
    OTHER_CREDIT_CODE = "other_credit_code"
    REGISTER_MISMATCH = "register_mismatch"
    SAME_EMAIL = "same_email"
    SAME_CREDIT_CODE = "same_credit_code"
    SAME_COMPANY = "same_company"
    SAME_DEVICE = "same_device"
    SAME_NETWORK = "same_network"
    NO_CREDIT_CODE = "no_credit_code"
    SAME_PAYER = "same_payer"
    GRANTS_OFF = "grants_off"


class RegisterAnswer(StrEnum):
    """What a company register says of a name and a credit code."""

    MATCH = "match"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


class CompanyMatch(StrEnum):
    """How the company compares with the companies of existing accounts."""

    NEW = "new"
    SAME = "same"  # the same credit code, or the same name and not two different codes
    SAME_NAME = "same_name"  # the same name, but each has a credit code of its own


class ClaimKind(StrEnum):
    """A value over which the starting grant is unique."""

    EMAIL = "email"
    CREDIT_CODE = "credit_code"
    COMPANY = "company"
    DEVICE = "device"


_GRANTED_BEFORE = {
    ClaimKind.EMAIL: Reason.SAME_EMAIL,
    ClaimKind.CREDIT_CODE: Reason.SAME_CREDIT_CODE,
    ClaimKind.COMPANY: Reason.SAME_COMPANY,
}


@dataclass(frozen=True, slots=True)
class SignupFacts:
    """What is known of a sign-up after its code was entered.

    `granted` are the kinds of values for which a grant was given before. `network_grants` are the
    grants of other sign-ups from the same network within a day, `network_limit` how many are given
    without a review. `grant_minor` is the amount of the grant in minor units, 0 if there is none.
    `appealed`: the person has asked for a review. `shared_payer`: the payer of the account has paid
    for another account with a grant, which becomes known after the account was opened.
    """

    disposable: bool = False
    company: CompanyMatch = CompanyMatch.NEW
    register: RegisterAnswer = RegisterAnswer.UNKNOWN
    has_credit_code: bool = True
    granted: frozenset[ClaimKind] = frozenset()
    network_grants: int = 0
    network_limit: int = 1
    grant_minor: int = 0
    appealed: bool = False
    shared_payer: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON, as stored with the decision."""
        return {**asdict(self), "granted": sorted(self.granted)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "SignupFacts":
        """Parse stored facts, to decide again."""
        return cls(
            **{
                **stored,
                "company": CompanyMatch(stored["company"]),
                "register": RegisterAnswer(stored["register"]),
                "granted": frozenset(ClaimKind(kind) for kind in stored["granted"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome with its reasons. `opens_account`: the account is opened now."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    opens_account: bool


def decide(facts: SignupFacts) -> Decision:
    """Decide about a sign-up."""
    if facts.disposable:
        return Decision(Outcome.REFUSE, (Reason.DISPOSABLE_EMAIL,), opens_account=False)
    company = _company_reasons(facts)
    if Reason.COMPANY_HAS_ACCOUNT in company and not facts.appealed:
        return Decision(Outcome.REFUSE, company, opens_account=False)
    if company:
        return Decision(Outcome.REVIEW, company, opens_account=False)
    if not facts.grant_minor:
        return Decision(Outcome.NO_GRANT, (Reason.GRANTS_OFF,), opens_account=True)
    before = tuple(reason for kind, reason in _GRANTED_BEFORE.items() if kind in facts.granted)
    if before:
        return Decision(Outcome.NO_GRANT, before, opens_account=True)
    doubts = _grant_doubts(facts)
    outcome = Outcome.REVIEW if doubts else Outcome.GRANT
    return Decision(outcome, doubts, opens_account=True)


def _company_reasons(facts: SignupFacts) -> tuple[Reason, ...]:
    """Return why the company may not be the person's, or has an account already."""
    reasons = {
        Reason.COMPANY_HAS_ACCOUNT: facts.company is CompanyMatch.SAME,
        Reason.OTHER_CREDIT_CODE: facts.company is CompanyMatch.SAME_NAME,
        Reason.REGISTER_MISMATCH: facts.register is RegisterAnswer.MISMATCH,
    }
    return tuple(reason for reason, applies in reasons.items() if applies)


def _grant_doubts(facts: SignupFacts) -> tuple[Reason, ...]:
    """Return why an operator looks at the sign-up before the grant is given."""
    reasons = {
        Reason.SAME_DEVICE: ClaimKind.DEVICE in facts.granted,
        Reason.SAME_NETWORK: facts.network_grants >= facts.network_limit,
        Reason.NO_CREDIT_CODE: not facts.has_credit_code,
        Reason.SAME_PAYER: facts.shared_payer,
    }
    return tuple(reason for reason, applies in reasons.items() if applies)
