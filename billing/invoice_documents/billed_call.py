"""A call as an invoice lists it, and filters of such calls.

Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.metering.error_fixes import ANY_ERROR, fix_of
from billing.metering.usage import REQUEST_PREFIX
from billing.money import nano_text
from billing.rating.quantities import METERS
from billing.subscriptions.usage_totals import NO_TERMS
from infra import ids

_IS_BILLED = " and u.settlement in ('complete', 'client_abort')"


@dataclass(frozen=True, slots=True)
class BilledCall:
    """A call as an invoice has it; an unknown quantity is None. `status` is that of the HTTP
    answer, `cost_nano` the charge after included units, which are `covered` by meter and quota,
    before tiers."""

    request_id: UUID
    started_at: datetime
    model: str
    key_id: UUID | None
    key_name: str | None
    operation: str
    settlement: str
    status: int
    error_code: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    rows: int | None
    images: int | None
    adaptation_seconds: int | None
    version_id: UUID
    late: bool
    tags: Mapping[str, str] | None
    cost_nano: int
    covered: Mapping[str, Mapping[str, int]] | None = None
    error_message: str | None = None
    error_param: str | None = None
    requested_model: str | None = None
    service_tier: str | None = None

    def suggested_fix(self, language: str) -> str | None:
        """What to do about its error; None where it has none."""
        fix = fix_of(self.error_code, self.status)
        return None if fix is None else fix.text(language)

    def to_json(self) -> dict[str, Any]:
        return {
            "request_id": ids.show(REQUEST_PREFIX, self.request_id),
            "started_at": self.started_at.isoformat(),
            "model": self.model,
            "service_tier": self.service_tier,
            "key_id": self.key_id and ids.show("key", self.key_id),
            "key_name": self.key_name,
            "operation": self.operation,
            "settlement": self.settlement,
            "status": self.status,
            "error_code": self.error_code,
            "error_message": self.error_message,
            "error_param": self.error_param,
            "requested_model": self.requested_model,
            "suggested_fix": self.suggested_fix("en"),
            **{meter: getattr(self, meter) for meter in METERS},
            "plan_version": None if self.version_id == NO_TERMS else self.version_id.hex,
            "late": self.late,
            "tags": dict(self.tags or {}),
            "cost": nano_text(self.cost_nano),
        }


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which of a period's calls; None is all. `since` and `until` come together and leave out calls
    of earlier periods. Unless `billed`, refused and failed calls are among them. `error_code` may
    be ANY_ERROR."""

    billed: bool = True
    model: str | None = None
    key_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    error_code: str | None = None

    def conditions(self) -> str:
        """The conditions that are asked for, in SQL."""
        conditions = {
            _IS_BILLED: self.billed,
            " and u.model = :only_model": self.model is not None,
            " and u.key_id = :only_key": self.key_id is not None,
            " and u.error_code is not null": self.error_code == ANY_ERROR,
            " and u.error_code = :only_error": self.error_code not in (None, ANY_ERROR),
            " and u.started_at >= :only_since and u.started_at < :only_until"
            " and u.started_at >= :starts_at": self.since is not None,
        }
        return "".join(condition for condition, asked in conditions.items() if asked)

    def values(self) -> dict[str, Any]:
        """The values of those conditions."""
        return {
            "only_model": self.model,
            "only_key": self.key_id,
            "only_since": self.since,
            "only_until": self.until,
            "only_error": self.error_code,
        }


BILLED = CallFilter()
