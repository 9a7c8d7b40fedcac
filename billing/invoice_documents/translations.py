"""Texts of invoice documents, looked up by key; translations are in billing/translations/."""

from collections.abc import Mapping

from billing.rating.price_kinds.registry import PRICE_KINDS
from billing.translations.catalog import billing_texts
from infra.translations import gettext_noop, pgettext_noop

_TEXTS: Mapping[str, str] = {
    # Lines, by kind.
    "fixed_fee": gettext_noop("{plan}: fixed fee"),
    "unused_fee": gettext_noop("{plan}: unused fixed fee"),
    "usage": gettext_noop("{model}: {meter}"),
    "late_usage": gettext_noop("{model}: {meter}, of an earlier period"),
    "discount": gettext_noop("{plan}: {percent}% discount"),
    "model_discount": gettext_noop("{model}: {percent}% discount"),
    "minimum": gettext_noop("{plan}: top-up to the minimum commitment"),
    "outcome": gettext_noop("{plan}: outcomes"),
    "late_fee": gettext_noop("Late fee for invoice {late_invoice}"),
    "add_on": gettext_noop("{plan}: {add_on}"),
    "unused_add_on": gettext_noop("{plan}: unused {add_on}"),
    "pack": gettext_noop("Prepaid pack {plan}: {meter} of {model}"),
    # Models at a service tier.
    "priority": gettext_noop("{model}, priority"),
    "flex": gettext_noop("{model}, flex"),
    "batch": gettext_noop("{model}, batch"),
    "all_models": gettext_noop("all models"),
    # Meters.
    "input_tokens": gettext_noop("input tokens"),
    "cached_input_tokens": gettext_noop("cached input tokens"),
    "output_tokens": gettext_noop("output tokens"),
    "with_reasoning": gettext_noop("{meter}, including {count} reasoning tokens"),
    "tokens": gettext_noop("tokens"),
    "with_packs": gettext_noop("{meter}, {count} of them from prepaid packs"),
    "rows": gettext_noop("inference rows"),
    "images": gettext_noop("inference images"),
    "adaptation_seconds": gettext_noop("fine-tuning seconds"),
    "readings": gettext_noop("stored readings"),
    # Prices: a text of each kind, and parts of texts.
    **{name: kind.text for name, kind in PRICE_KINDS.items()},
    "tier": gettext_noop("{price} up to {up_to}; "),
    "last_tier": gettext_noop("{price} above"),
    "flat": gettext_noop(" plus {flat} once"),
    "per_row": gettext_noop("row"),
    "per_image": gettext_noop("image"),
    "per_outcome": gettext_noop("outcome"),
    "per_minute": gettext_noop("minute"),
    "per_million_tokens": gettext_noop("1M tokens"),
    "per_million_readings": gettext_noop("1M readings"),
    "row_count": gettext_noop("{units} rows"),
    "image_count": gettext_noop("{units} images"),
    "outcome_count": gettext_noop("{units} outcomes"),
    "second_count": gettext_noop("{units} s"),
    "token_count": gettext_noop("{units} tokens"),
    "reading_count": gettext_noop("{units} readings"),
    # Tax.
    "standard": gettext_noop("Tax rate: {percent}%."),
    "untaxed": gettext_noop("No tax is charged."),
    "reverse_charge": gettext_noop("Reverse charge: the recipient accounts for the tax."),
    "exempt": gettext_noop("Exempt from tax."),
    "inclusive": gettext_noop("Line amounts include tax."),
    # Terms of payment, by collection method.
    "manual": gettext_noop("Please transfer {owed} by {due} and quote {number}."),
    "charge": gettext_noop("{owed} will be charged to your payment method on file."),
    "invoice": gettext_noop("Please pay {owed} by {due} with the payment link sent to you."),
    "instalments": gettext_noop("Please transfer in parts and quote {number}: {parts}."),
    "part": gettext_noop("{owed} by {due}"),
    "nothing_owed": gettext_noop("No payment is due."),
    "not_final": gettext_noop("Not final: usage may still be added."),
    # Which calls are billed; docs/metering.md explains it in detail.
    "rule": gettext_noop(
        "Billed: calls with a complete response and, if the client disconnected, the usage until "
        "then; not billed: calls that were rejected, failed because of a platform error, were "
        "replayed from an Idempotency-Key, were waived or whose usage is unknown."
    ),
    # States.
    "preview": gettext_noop("Preview"),
    "draft": gettext_noop("Draft"),
    "open": gettext_noop("Open"),
    "paid": gettext_noop("Paid"),
    "void": gettext_noop("Void"),
    "uncollectible": gettext_noop("Uncollectible"),
    # Labels.
    "title": gettext_noop("Invoice"),
    "number": gettext_noop("Number"),
    "state": gettext_noop("Status"),
    "issued": gettext_noop("Issued"),
    "due": gettext_noop("Due"),
    "period": gettext_noop("Billing period"),
    "seller": gettext_noop("From"),
    "buyer": gettext_noop("To"),
    "tax_number": gettext_noop("Tax number"),
    "description": gettext_noop("Description"),
    "quantity": gettext_noop("Quantity"),
    "included": gettext_noop("Included"),
    "price": gettext_noop("Unit price"),
    "amount": gettext_noop("Amount"),
    "net": gettext_noop("Subtotal, excluding tax"),
    "tax": gettext_noop("Tax"),
    "total": gettext_noop("Total, including tax"),
    "settled": pgettext_noop("amount", "Paid"),
    "credited": gettext_noop("Credited"),
    "written_off": gettext_noop("Written off"),
    "owed": gettext_noop("Amount due"),
    "credit_note": gettext_noop("Credit note {number} of {day}: {reason}"),
    "tags": gettext_noop("Usage by tag"),
    "tags_are": gettext_noop(
        "Usage lines by tag, before discounts, fixed fees and any tax added to the lines. "
        "Highest amount first."
    ),
    "project": gettext_noop("Project"),
    "projects": gettext_noop("Usage by project"),
    "projects_are": gettext_noop(
        "Usage lines by project of the calls, before discounts, fixed fees and any tax added to "
        "the lines. Highest amount first."
    ),
    "default_project": gettext_noop("Default project"),
    "usage_net": gettext_noop("Usage, excluding tax"),
    "usage_gross": gettext_noop("Usage, including tax"),
    "usage_sum": gettext_noop("Usage"),
    "other_values": gettext_noop("{count} other values"),
    "untagged": gettext_noop("without this tag"),
    "page": gettext_noop("Page {page} of {pages}"),
}


def translate(locale: str, key: str, **values: object) -> str:
    """Return the text of a key with values inserted."""
    return billing_texts(locale).text(_TEXTS[key], **values)
