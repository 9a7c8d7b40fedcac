"""Calls as CSV: a header, and rows to be written one page after another.

Each tag has a column of its own, `tag:order`; further tags are together in `other_tags`, as JSON.
Times are ISO 8601 by the account's clocks, with their offset. Pure.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from billing.invoice_documents.billed_call import BilledCall
from billing.invoice_documents.rendering.csv import BEGINNING, csv_rows
from billing.rating.quantities import METERS

_FIRST = (
    "request_id",
    "started_at",
    "model",
    "service_tier",
    "key_id",
    "key_name",
    "operation",
    "status",
    "error_code",
    "error_message",
    "error_param",
    "requested_model",
    "suggested_fix",
    "settlement",
    *METERS,
    "plan_version",
    "late",
)
_LAST = ("other_tags", "cost", "currency")


@dataclass(frozen=True, slots=True)
class CallSheet:
    """A file of calls: its currency, time zone, the tags that have a column, and the language of
    suggested fixes."""

    currency: str
    zone: ZoneInfo
    tags: tuple[str, ...] = ()
    language: str = "en"

    @property
    def columns(self) -> tuple[str, ...]:
        return (*_FIRST, *(f"tag:{name}" for name in self.tags), *_LAST)

    def header(self) -> bytes:
        """What the file begins with."""
        return BEGINNING + csv_rows([self.columns])

    def rows(self, calls: Iterable[BilledCall]) -> bytes:
        """Rows of calls."""
        return csv_rows(self._row(call) for call in calls)

    def _row(self, call: BilledCall) -> Sequence[Any]:
        tags = dict(call.tags or {})
        own = [tags.pop(name, "") for name in self.tags]
        values = {
            **call.to_json(),
            "suggested_fix": call.suggested_fix(self.language),
            "started_at": call.started_at.astimezone(self.zone).isoformat(),
            "late": "yes" if call.late else "no",
            "other_tags": json.dumps(tags, ensure_ascii=False) if tags else "",
            "currency": self.currency,
        }
        first, last = ([values[name] for name in names] for names in (_FIRST, _LAST))
        return [*first, *own, *last]
