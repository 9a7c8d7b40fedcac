"""Texts of outcome charges and credits on invoices, in English and Chinese.

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

LOCALES = ("en", "zh")
# By text key: English, Chinese.
_TEXTS: Mapping[str, tuple[str, str]] = {
    "events": ("{name}: outcomes, {who}", "{name}：达成效果，{who}"),
    "saving": (
        "{name}: verified saving in {unit}, {who}",
        "{name}：经核实的节约量（{unit}），{who}",
    ),
    FLOOR: ("{name}: top-up to the monthly minimum", "{name}：补足月度最低金额"),
    SILENCE: ("no objection in time, as agreed in the contract", "按合同约定，逾期未提出争议"),
    AttesterKind.NEUTRAL_SENSOR: ("attested by a neutral meter", "由中立计量装置见证"),
    AttesterKind.CUSTOMER_SYSTEM: ("attested by the customer's system", "由客户系统见证"),
    AttesterKind.SIGN_OFF: ("signed off by the customer", "由客户签字确认"),
    AttesterKind.OUR_MODEL: (
        "attested with the operator's model key",
        "由平台运营方的模型密钥见证",
    ),
    "reversed": ("Outcome {keys} was reversed.", "效果 {keys} 已被撤销。"),
    "dispute": (
        "Dispute {keys} was decided for the customer.",
        "争议 {keys} 已裁定，按客户意见处理。",
    ),
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
    return _TEXTS[key][LOCALES.index(locale)].format(**values)


def _describe_charge(terms: OutcomeTerms, part: AttesterPart, locale: str) -> str:
    """Return the invoice text of a charge: contract name, effect and attester of `part`."""
    name = terms.names[locale]
    if part.attested_by == FLOOR:
        return format_text(locale, FLOOR, name=name)
    who = format_text(locale, part.attested_by)
    if isinstance(terms.kind, MeasuredEffect):
        return format_text(locale, "saving", name=name, unit=terms.kind.saved_unit, who=who)
    return format_text(locale, "events", name=name, who=who)
