"""Words: what an invoice says of outcomes, in English and in Chinese.

Kept with each charge, so that a bill never says otherwise later. Pure.
"""

from collections.abc import Mapping

from billing.invoice_documents.price_format import price_words
from billing.outcomes.contracts.pricing import FLOOR, SILENCE, Part
from billing.outcomes.contracts.terms import AttesterKind, Measure, OutcomeTerms, Share

LOCALES = ("en", "zh")
# By place: English, Chinese.
_TEXTS: Mapping[str, tuple[str, str]] = {
    "events": ("{name}: outcomes, {who}", "{name}：达成效果，{who}"),
    "saving": (
        "{name}: verified saving in {unit}, {who}",
        "{name}：经核实的节约量（{unit}），{who}",
    ),
    FLOOR: ("{name}: up to the agreed minimum of the month", "{name}：补足约定的月度最低金额"),
    SILENCE: ("not objected to in time, as the contract says", "按合同约定逾期未提异议"),
    AttesterKind.NEUTRAL_SENSOR: ("attested by a neutral meter", "由中立计量装置确认"),
    AttesterKind.CUSTOMER_SYSTEM: ("attested by the customer's system", "由客户方系统确认"),
    AttesterKind.SIGN_OFF: ("signed off by the customer", "由客户人员签字确认"),
    AttesterKind.OUR_MODEL: ("attested with the operator's model key", "由运营方的模型密钥确认"),
    "reversed": ("Outcome {keys} was reversed.", "效果 {keys} 已被撤销。"),
    "dispute": ("Dispute {keys} was decided for the customer.", "争议 {keys} 裁定客户胜。"),
}


def charge_words(terms: OutcomeTerms, part: Part) -> dict[str, str]:
    """What a charge is for, by language."""
    return {locale: _charge(terms, part, locale) for locale in LOCALES}


def price_text(terms: OutcomeTerms, locale: str) -> str:
    """What one outcome costs, as a price list says it; empty where a part of a saving is paid."""
    return "" if isinstance(terms.price, Share) else price_words(terms.price, "outcomes", locale)


def say(locale: str, place: str, **values: object) -> str:
    """The text for a place, with values put in."""
    return _TEXTS[place][LOCALES.index(locale)].format(**values)


def _charge(terms: OutcomeTerms, part: Part, locale: str) -> str:
    name = terms.names[locale]
    if part.attested_by == FLOOR:
        return say(locale, FLOOR, name=name)
    who = say(locale, part.attested_by)
    if isinstance(terms.kind, Measure):
        return say(locale, "saving", name=name, unit=terms.kind.saved_unit, who=who)
    return say(locale, "events", name=name, who=who)
