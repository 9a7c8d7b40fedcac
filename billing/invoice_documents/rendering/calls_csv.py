"""CSV of calls: a header, and rows that are written page by page.

Each configured tag has its own column, such as `tag:order`; other tags are in `other_tags` as JSON.
Times are ISO 8601 in the account's time zone, with offset.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from billing.invoice_documents.billed_call import BilledCall
from billing.invoice_documents.rendering.csv import BYTE_ORDER_MARK, format_csv_rows
from billing.rating.quantities import METERS, REASONING_TOKENS

_LEADING_COLUMNS = (
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
# New columns come last, so that programs that read columns by position keep working.
_TRAILING_COLUMNS = (
    "other_tags",
    "cost",
    "currency",
    REASONING_TOKENS,
    "project_id",
    "project_name",
)


@dataclass(frozen=True, slots=True)
class CallCsvFormat:
    """The format of a CSV file of calls.

    `tags` are the tags with a column of their own, `language` is that of suggested fixes.
    """

    currency: str
    zone: ZoneInfo
    tags: tuple[str, ...] = ()
    language: str = "en"

    @property
    def columns(self) -> tuple[str, ...]:
        """The column names, with one column per tag name."""
        return (*_LEADING_COLUMNS, *(f"tag:{name}" for name in self.tags), *_TRAILING_COLUMNS)

    def header(self) -> bytes:
        """Return the byte order mark and the header row."""
        return BYTE_ORDER_MARK + format_csv_rows([self.columns])

    def rows(self, calls: Iterable[BilledCall]) -> bytes:
        """Return the CSV rows of calls, without the header."""
        return format_csv_rows(self._row(call) for call in calls)

    def _row(self, call: BilledCall) -> Sequence[Any]:
        """Return a call's cells in the order of the columns, with one cell per tag name."""
        tags = dict(call.tags or {})
        tag_values = [tags.pop(name, "") for name in self.tags]
        values = {
            **call.to_json(),
            "suggested_fix": call.suggested_fix(self.language),
            "started_at": call.started_at.astimezone(self.zone).isoformat(),
            "late": "yes" if call.late else "no",
            "other_tags": json.dumps(tags, ensure_ascii=False) if tags else "",
            "currency": self.currency,
        }
        leading = [values[name] for name in _LEADING_COLUMNS]
        trailing = [values[name] for name in _TRAILING_COLUMNS]
        return [*leading, *tag_values, *trailing]
