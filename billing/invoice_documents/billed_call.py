"""Calls as listed on invoices and in exports, and the filter of such lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.metering.error_fixes import ANY_ERROR, find_suggested_fix
from billing.metering.project_ids import PROJECT_ID_PREFIX
from billing.metering.usage import REQUEST_ID_PREFIX
from billing.money import nano_text
from billing.rating.quantities import METERS, REASONING_TOKENS
from billing.subscriptions.usage_totals import NO_TERMS_ID
from infra import ids

_IS_BILLED = " and u.settlement in ('complete', 'client_abort')"


@dataclass(frozen=True, slots=True)
class BilledCall:
    """A call as listed on an invoice; unknown quantities are None.

    `status` is the HTTP status. `cost_nano` is the cost in nano-units after included units and
    before volume tiers; `covered` are the included units by meter and quota id. Reasoning tokens
    are a part of the output tokens.
    """

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
    readings: int | None
    version_id: UUID
    late: bool
    tags: Mapping[str, str] | None
    cost_nano: int
    covered: Mapping[str, Mapping[str, int]] | None = None
    error_message: str | None = None
    error_param: str | None = None
    requested_model: str | None = None
    service_tier: str | None = None
    reasoning_tokens: int | None = None
    project_id: UUID | None = None
    project_name: str | None = None

    def suggested_fix(self, language: str) -> str | None:
        """Return the suggested fix for the call's error, or None if it has no error."""
        fix = find_suggested_fix(self.error_code, self.status)
        return None if fix is None else fix.text(language)

    def to_json(self) -> dict[str, Any]:
        """Return the call as the API and CSV files show it."""
        return {
            "request_id": ids.format_id(REQUEST_ID_PREFIX, self.request_id),
            "started_at": self.started_at.isoformat(),
            "model": self.model,
            "service_tier": self.service_tier,
            "key_id": self.key_id and ids.format_id("key", self.key_id),
            "key_name": self.key_name,
            "operation": self.operation,
            "settlement": self.settlement,
            "status": self.status,
            "error_code": self.error_code,
            "error_message": self.error_message,
            "error_param": self.error_param,
            "requested_model": self.requested_model,
            "suggested_fix": self.suggested_fix("en"),
            **{name: getattr(self, name) for name in (*METERS, REASONING_TOKENS)},
            "plan_version": None if self.version_id == NO_TERMS_ID else self.version_id.hex,
            "late": self.late,
            "tags": dict(self.tags or {}),
            "cost": nano_text(self.cost_nano),
            "project_id": self.project_id and ids.format_id(PROJECT_ID_PREFIX, self.project_id),
            "project_name": self.project_name,
        }


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Filter of a period's calls; None matches all.

    `since` and `until` must be set together and exclude late calls of earlier periods. With
    `billed` False, rejected and failed calls are included. `error_code` may be ANY_ERROR.
    """

    billed: bool = True
    model: str | None = None
    key_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    error_code: str | None = None
    project_ids: Sequence[UUID] | None = None

    def sql_conditions(self) -> str:
        """Return the SQL conditions of the filter, each beginning with ` and `."""
        conditions = {
            _IS_BILLED: self.billed,
            " and u.model = :only_model": self.model is not None,
            " and u.key_id = :only_key": self.key_id is not None,
            " and coalesce(u.project_id, u.account_id) = any(:only_projects)": self.project_ids
            is not None,
            " and u.error_code is not null": self.error_code == ANY_ERROR,
            " and u.error_code = :only_error": self.error_code not in (None, ANY_ERROR),
            " and u.started_at >= :only_since and u.started_at < :only_until"
            " and u.started_at >= :starts_at": self.since is not None,
        }
        return "".join(condition for condition, is_set in conditions.items() if is_set)

    def sql_params(self) -> dict[str, Any]:
        """Return the bind parameters of `sql_conditions`."""
        return {
            "only_model": self.model,
            "only_key": self.key_id,
            "only_projects": None if self.project_ids is None else list(self.project_ids),
            "only_since": self.since,
            "only_until": self.until,
            "only_error": self.error_code,
        }


BILLED_CALLS = CallFilter()
