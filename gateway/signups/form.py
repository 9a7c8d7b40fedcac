"""The form of a sign-up and its validation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from billing.accounts.companies import (
    company_name_key,
    validate_company_name,
    validate_credit_code,
)
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.email_address import normalize_email
from gateway.identity.passwords import validate_password
from gateway.identity.profile import PersonInvalid, validate_name
from gateway.signups.errors import EmailNotAccepted, SignupDisabled
from gateway.signups.mailboxes import canonical_mailbox
from gateway.signups.networks import signup_network
from gateway.signups.policy import SignupPolicy
from infra.clock import Clock
from infra.error_collection import collect


@dataclass(frozen=True, slots=True)
class SignupForm:
    """What a person enters to sign up. `versions` are the accepted versions of texts by kind."""

    company_name: str
    contact_name: str
    email: str
    password: str = field(repr=False)
    credit_code: str = ""
    plan: str | None = None
    language: str = "zh"
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ValidForm:
    """The values of a valid form: `columns` are those of the sign-up's row."""

    email: str
    mailbox: str
    columns: Mapping[str, Any]


def validate_form(
    form: SignupForm, policy: SignupPolicy, clock: Clock, origin: ClientOrigin
) -> ValidForm:
    """Validate a form; all errors are raised together.

    Raises SignupDisabled, CompanyInvalid, PersonInvalid, EmailInvalid, EmailNotAccepted,
    PasswordInvalid, TextsOutdated, SeveralErrors.
    """
    texts = policy.texts
    if not policy.enabled or texts is None:
        raise SignupDisabled
    language = "en" if form.language == "en" else "zh"
    company_name, credit_code, _, email, _, accepted = collect(
        lambda: validate_company_name(form.company_name),
        lambda: validate_credit_code(form.credit_code),
        lambda: _validate_contact(form.contact_name),
        lambda: _validate_email(form.email, policy),
        lambda: validate_password(form.password, form.email.strip().casefold()),
        lambda: texts.accept(language, form.versions, clock.now(), origin.address),
    )
    mailbox = canonical_mailbox(email)
    columns = {
        "email": email,
        "mailbox": mailbox,
        "company_name": company_name,
        "name_key": company_name_key(company_name),
        "credit_code": credit_code,
        "contact_name": form.contact_name.strip(),
        "plan": form.plan or policy.default_plan,
        "language": language,
        "texts": accepted,
        "address": origin.address,
        "network": signup_network(origin.address),
    }
    return ValidForm(email, mailbox, columns)


def _validate_contact(name: str) -> None:
    """Raise PersonInvalid, which names the form's field, unless the name is valid."""
    try:
        validate_name(name)
    except PersonInvalid as error:
        raise PersonInvalid(error.message, param="contact_name") from error


def _validate_email(text: str, policy: SignupPolicy) -> str:
    """Return a normalized address. Raises EmailInvalid, EmailNotAccepted."""
    email = normalize_email(text)
    if policy.domains.has(email):
        raise EmailNotAccepted
    return email
