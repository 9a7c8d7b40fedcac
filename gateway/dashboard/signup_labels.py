"""Labels of sign-ups: statuses, reasons, and audit log actions."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

SIGNUP_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "signup_status": {
            "unverified": gettext_noop("Code not entered"),
            "review": gettext_noop("In review"),
            "opened": gettext_noop("Account open"),
            "refused": gettext_noop("Refused"),
        },
        "signup_reason": {
            "disposable_email": gettext_noop("Disposable e-mail address"),
            "company_has_account": gettext_noop("The company has an account"),
            "other_credit_code": gettext_noop("Same name with another credit code"),
            "register_mismatch": gettext_noop("The company register has another name"),
            "same_email": gettext_noop("Same mailbox as a sign-up with credit"),
            "same_credit_code": gettext_noop("Same credit code as a sign-up with credit"),
            "same_company": gettext_noop("Same company as a sign-up with credit"),
            "same_device": gettext_noop("Same browser as a sign-up with credit"),
            "same_network": gettext_noop("Same network as a sign-up with credit"),
            "same_payer": gettext_noop("Same payer as a sign-up with credit"),
            "no_credit_code": gettext_noop("No credit code"),
            "grants_off": gettext_noop("No starting credit is offered"),
        },
    }
)
SIGNUP_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "account.signed_up": gettext_noop("Signed up"),
        "signup.granted": gettext_noop("Gave the starting credit"),
        "signup.approved": gettext_noop("Approved a sign-up"),
        "signup.rejected": gettext_noop("Rejected a sign-up"),
        "signup.grant_revoked": gettext_noop("Withdrew the starting credit"),
        "signup.company_released": gettext_noop("Released the company of an account"),
    }
)
