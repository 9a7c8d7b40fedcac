"""Texts of outcome charges and credits on invoices.

They are stored with each charge, so that an invoice never changes later.
"""

from collections.abc import Mapping

from billing.invoice_documents.price_format import format_price
from billing.outcomes.contracts.pricing import FLOOR, SILENCE, AttesterPart
from billing.outcomes.contracts.terms import (
    AttesterKind,
    MeasuredEffect,
    OutcomeTerms,
    SavingsShare,
)
from billing.translations.catalog import LOCALES, billing_texts
from infra.translations import gettext_noop

_TEXTS: Mapping[str, str] = {
    "events": gettext_noop("{name}: outcomes, {who}"),
    "saving": gettext_noop("{name}: verified saving in {unit}, {who}"),
    FLOOR: gettext_noop("{name}: top-up to the monthly minimum"),
    SILENCE: gettext_noop("no objection in time, as agreed in the contract"),
    AttesterKind.NEUTRAL_SENSOR: gettext_noop("attested by a neutral meter"),
    AttesterKind.CUSTOMER_SYSTEM: gettext_noop("attested by the customer's system"),
    AttesterKind.SIGN_OFF: gettext_noop("signed off by the customer"),
    AttesterKind.OUR_MODEL: gettext_noop("attested with the operator's model key"),
    "reversed": gettext_noop("Outcome {keys} was reversed."),
    "dispute": gettext_noop("Dispute {keys} was decided for the customer."),
}


def charge_descriptions(terms: OutcomeTerms, part: AttesterPart) -> dict[str, str]:
    """Return the invoice text of a charge by locale."""
    return {locale: _describe_charge(terms, part, locale) for locale in LOCALES}


def price_text(terms: OutcomeTerms, locale: str) -> str:
    """Return the unit price of an outcome as text; empty for a share of savings."""
    return (
        ""
        if isinstance(terms.price, SavingsShare)
        else format_price(terms.price, "outcomes", terms.currency, locale)
    )


def format_text(locale: str, key: str, **values: object) -> str:
    """Return the text of a key in a locale, with `values` filled in."""
    return billing_texts(locale).text(_TEXTS[key], **values)


def _describe_charge(terms: OutcomeTerms, part: AttesterPart, locale: str) -> str:
    """Return the invoice text of a charge: contract name, effect and attester of `part`."""
    name = terms.names[locale]
    if part.attested_by == FLOOR:
        return format_text(locale, FLOOR, name=name)
    who = format_text(locale, part.attested_by)
    if isinstance(terms.kind, MeasuredEffect):
        return format_text(locale, "saving", name=name, unit=terms.kind.saved_unit, who=who)
    return format_text(locale, "events", name=name, who=who)
