"""The account's audit log page and its CSV export, for owners."""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, get_profile
from billing.dates import parse_time_zone
from billing.invoice_documents.rendering.csv import BYTE_ORDER_MARK, format_csv_rows
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.dashboard.labels import LABELS
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.audit_details import AuditDetailFormatter
from gateway.identity.audit_log import (
    AuditFilter,
    AuditLogEntry,
    list_account_entries,
    list_actor_names,
)
from gateway.identity.people import get_person_names
from gateway.identity.roles import Permission
from infra import ids
from infra.database.database import Database

_PAGE = "/dashboard/audit"
_PERSON_PREFIX, _ENTRY_PREFIX = "person", "audit"
_PAGE_SIZE, _CSV_BATCH_SIZE = 50, 500
_COLUMNS = ("at", "who", "email", "support", "action", "subject", "details", "address")


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """The filters of the audit log in the page's query string."""

    about: str | None
    person: str | None

    @property
    def only(self) -> AuditFilter:
        """The filter for the database query; an invalid person id matches nobody."""
        person = None
        if self.person:
            person = ids.parse_id(_PERSON_PREFIX, self.person) or UUID(int=0)
        return AuditFilter(self.about or None, person)

    def address(self, page: str = "", **params: str) -> str:
        """Return the URL of the log, or of a page below it, with these filters."""
        query_params = {"about": self.about or "", "person": self.person or "", **params}
        query = urlencode({name: value for name, value in query_params.items() if value})
        return f"{_PAGE}{page}?{query}" if query else f"{_PAGE}{page}"


class AuditPages(Controller):
    """Handlers of `/dashboard/audit`."""

    path = "/audit"

    @get("/", name="dashboard:audit", permission=Permission.TEAM)
    async def list_audit_entries(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        about: FromQuery[str | None] = None,
        person: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the audit log, filtered."""
        query, account_id = AuditQuery(about, person), page.account_id
        cursor = None if before is None else ids.parse_id(_ENTRY_PREFIX, before)
        async with database.transaction() as session:
            entries = await list_account_entries(
                session, account_id, cursor, _PAGE_SIZE + 1, query.only
            )
            values = await _audit_context(session, page, entries)
        more = None
        if len(entries) > _PAGE_SIZE:
            more = query.address(before=ids.format_id(_ENTRY_PREFIX, entries[_PAGE_SIZE - 1].id))
        return page.render(
            "audit.html",
            rows=entries[:_PAGE_SIZE],
            asked=query,
            more=more,
            first=query.address() if before else None,
            csv=query.address("/entries.csv"),
            abouts=list(LABELS["about"]),
            **values,
        )

    @get("/entries.csv", name="dashboard:audit-csv", permission=Permission.TEAM)
    async def export_audit_entries(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        about: FromQuery[str | None] = None,
        person: FromQuery[str | None] = None,
    ) -> Stream:
        """Stream all entries that match the filter as CSV, one transaction per page."""
        content = _csv_stream(database, page.account_id, AuditQuery(about, person).only)
        headers = {"content-disposition": 'attachment; filename="audit.csv"'}
        return Stream(content, media_type="text/csv", headers=headers)


async def _audit_context(
    session: AsyncSession, page: PageRequest, entries: list[AuditLogEntry]
) -> dict[str, Any]:
    """Load the template's context except the entries: zone, formatter, people and keys."""
    account_id = page.account_id
    profile = await get_profile(session, account_id)
    zone = parse_time_zone(profile.time_zone)
    currency = await get_account_currency(session, account_id)
    people = await list_actor_names(session, account_id)
    return {
        "zone": zone,
        "details": AuditDetailFormatter(page.translate, page.formatter, currency, zone),
        "people": {
            ids.format_id(_PERSON_PREFIX, person_id): name for person_id, name in people.items()
        },
        "subjects": await _subject_names(session, account_id, entries),
    }


async def _subject_names(
    session: AsyncSession, account_id: UUID, entries: list[AuditLogEntry]
) -> dict[str, str]:
    """Return the names of the keys and people that entries refer to, by id."""
    keys = await list_keys(session, account_id)
    members = [
        _parse_uuid(entry.subject) for entry in entries if entry.action.startswith("member.")
    ]
    names = await get_person_names(session, [entry for entry in members if entry is not None])
    return {ids.format_id(KEY_PREFIX, key.id): key.name for key in keys} | {
        str(person_id): name for person_id, name in names.items()
    }


def _parse_uuid(text: str) -> UUID | None:
    """Return the UUID in the text, or None if it is invalid."""
    try:
        return UUID(text)
    except ValueError:
        return None


async def _csv_stream(
    database: Database, account_id: UUID, only: AuditFilter
) -> AsyncIterator[bytes]:
    """Yield the filtered log as CSV in batches, each read in its own transaction."""
    yield BYTE_ORDER_MARK + format_csv_rows([_COLUMNS])
    before: UUID | None = None
    while True:
        async with database.transaction() as session:
            batch = await list_account_entries(session, account_id, before, _CSV_BATCH_SIZE, only)
        if not batch:
            return
        yield format_csv_rows(_csv_cells(batch))
        before = batch[-1].id


def _csv_cells(entries: Iterable[AuditLogEntry]) -> Iterable[tuple[Any, ...]]:
    """Yield the CSV cells of each entry."""
    for entry in entries:
        yield (
            entry.at.isoformat(),
            entry.name,
            entry.email,
            "yes" if entry.impersonated else "no",
            entry.action,
            entry.subject,
            json.dumps(entry.details, ensure_ascii=False) if entry.details else "",
            entry.address,
        )
