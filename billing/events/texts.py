"""Texts of events in messages to people: a title and a text with the figures, by language."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from billing.translations.catalog import LOCALES, billing_texts
from infra.translations import gettext_noop

# By event type: title and text. The text may have several lines.
_TEMPLATES: Mapping[str, tuple[str, str]] = {
    "fine_tuning.job.succeeded": (
        gettext_noop("Fine-tuning finished: {model}"),
        gettext_noop("The fine-tuned model {variant} is ready.\nJob: {job}"),
    ),
    "fine_tuning.job.failed": (
        gettext_noop("Fine-tuning failed: {model}"),
        gettext_noop("Reason: {reason}\nJob: {job}"),
    ),
    "fine_tuning.job.cancelled": (
        gettext_noop("Fine-tuning cancelled: {model}"),
        gettext_noop("Job: {job}"),
    ),
    "eval.run.succeeded": (
        gettext_noop("Evaluation finished: {name}"),
        gettext_noop("Model: {model}"),
    ),
    "eval.run.failed": (
        gettext_noop("Evaluation failed: {name}"),
        gettext_noop("Model: {model}\nReason: {reason}"),
    ),
    "eval.run.canceled": (
        gettext_noop("Evaluation cancelled: {name}"),
        gettext_noop("Model: {model}"),
    ),
    "batch.completed": (
        gettext_noop("Batch completed: {model}"),
        gettext_noop("Requests: {total}, succeeded: {completed}, failed: {failed}\nBatch: {batch}"),
    ),
    "batch.failed": (
        gettext_noop("Batch failed"),
        gettext_noop("Reason: {reason}\nBatch: {batch}"),
    ),
    "batch.expired": (
        gettext_noop("Batch expired: {model}"),
        gettext_noop("Requests: {total}, succeeded: {completed}, failed: {failed}\nBatch: {batch}"),
    ),
    "batch.cancelled": (
        gettext_noop("Batch cancelled: {model}"),
        gettext_noop("Requests: {total}, succeeded: {completed}, failed: {failed}\nBatch: {batch}"),
    ),
    "invoice.finalized": (
        gettext_noop("New invoice: {number}"),
        gettext_noop("Amount: {total}\nDue: {due}"),
    ),
    "invoice.paid": (gettext_noop("Invoice paid: {number}"), gettext_noop("Amount: {total}")),
    "line_dispute.opened": (
        gettext_noop("Dispute opened: line {line} of invoice {number}"),
        gettext_noop("Reason: {reason}"),
    ),
    "dispute.opened": (
        gettext_noop("Settlement disputed"),
        gettext_noop("Disputed amount: {amount}\nReason: {reason}"),
    ),
    "notification_endpoint.test": (
        gettext_noop("Test notification"),
        gettext_noop("This endpoint receives notifications. No action is needed."),
    ),
}


@dataclass(frozen=True, slots=True)
class EventText:
    """Title and text of an event in one language, plain text."""

    title: str
    text: str

    def as_json(self) -> dict[str, str]:
        """Return the text as it is stored."""
        return {"title": self.title, "text": self.text}


def event_texts(event_type: str, values: Mapping[str, object]) -> dict[str, EventText]:
    """Return the texts of an event type in all languages, with these values."""
    title, text = _TEMPLATES[event_type]
    return localised(
        lambda locale: (
            billing_texts(locale).text(title, **values),
            billing_texts(locale).text(text, **values),
        )
    )


def localised(render: Callable[[str], tuple[str, str]]) -> dict[str, EventText]:
    """Return the texts that `render` gives as (title, text) for each language."""
    return {locale: EventText(*render(locale)) for locale in LOCALES}
