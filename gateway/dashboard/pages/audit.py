"""The audit log of an account, for its owners: who did what, when and from where; also as CSV."""

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

from billing.accounts.profiles import currency_of, read_profile
from billing.dates import zone_of
from billing.invoice_documents.rendering.csv import BEGINNING, csv_rows
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.dashboard.labels import WORDS
from gateway.dashboard.page_request import Viewing
from gateway.dashboard.pages.audit_details import Details
from gateway.identity.audit_log import Entry, Only, entries_of, people_in
from gateway.identity.people import names_of
from gateway.identity.roles import Permission
from infra import ids
from infra.database.database import Database

_PAGE = "/dashboard/audit"
_PERSON, _ENTRY = "person", "audit"
_ENTRIES, _CSV_PAGE = 50, 500
_COLUMNS = ("at", "who", "email", "support", "action", "subject", "details", "address")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    about: str | None
    person: str | None

    @property
    def only(self) -> Only:
        """The same for the query; what is no person is nobody."""
        person = None
        if self.person:
            person = ids.parse(_PERSON, self.person) or UUID(int=0)
        return Only(self.about or None, person)

    def address(self, page: str = "", **more: str) -> str:
        said = {"about": self.about or "", "person": self.person or "", **more}
        query = urlencode({name: value for name, value in said.items() if value})
        return f"{_PAGE}{page}?{query}" if query else f"{_PAGE}{page}"


class AuditPages(Controller):
    """`/dashboard/audit…`."""

    path = "/audit"

    @get("/", name="dashboard:audit", permission=Permission.TEAM)
    async def entries(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        about: FromQuery[str | None] = None,
        person: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
    ) -> Response[str]:
        asked, account_id = Asked(about, person), viewing.account_id
        mark = None if before is None else ids.parse(_ENTRY, before)
        async with database.transaction() as session:
            found = await entries_of(session, account_id, mark, _ENTRIES + 1, asked.only)
            values = await _values(session, viewing, found)
        more = None
        if len(found) > _ENTRIES:
            more = asked.address(before=ids.show(_ENTRY, found[_ENTRIES - 1].id))
        return viewing.page(
            "audit.html",
            rows=found[:_ENTRIES],
            asked=asked,
            more=more,
            first=asked.address() if before else None,
            csv=asked.address("/entries.csv"),
            abouts=list(WORDS["about"]),
            **values,
        )

    @get("/entries.csv", name="dashboard:audit-csv", permission=Permission.TEAM)
    async def as_csv(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        about: FromQuery[str | None] = None,
        person: FromQuery[str | None] = None,
    ) -> Stream:
        """All that the filter leaves, page by page, of which each is a transaction."""
        content = _csv(database, viewing.account_id, Asked(about, person).only)
        headers = {"content-disposition": 'attachment; filename="audit.csv"'}
        return Stream(content, media_type="text/csv", headers=headers)


async def _values(session: AsyncSession, viewing: Viewing, found: list[Entry]) -> dict[str, Any]:
    """What entries are written with: names of people and keys instead of ids."""
    account_id = viewing.account_id
    profile = await read_profile(session, account_id)
    zone = zone_of(profile.time_zone)
    currency = await currency_of(session, account_id)
    people = await people_in(session, account_id)
    return {
        "zone": zone,
        "details": Details(viewing.say, viewing.writing, currency, zone),
        "people": {ids.show(_PERSON, one): name for one, name in people.items()},
        "subjects": await _subjects(session, account_id, found),
    }


async def _subjects(session: AsyncSession, account_id: UUID, found: list[Entry]) -> dict[str, str]:
    keys = await list_keys(session, account_id)
    members = [_uuid(one.subject) for one in found if one.action.startswith("member.")]
    names = await names_of(session, [one for one in members if one is not None])
    return {ids.show(KEY_PREFIX, key.id): key.name for key in keys} | {
        str(person_id): name for person_id, name in names.items()
    }


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _csv(database: Database, account_id: UUID, only: Only) -> AsyncIterator[bytes]:
    yield BEGINNING + csv_rows([_COLUMNS])
    before: UUID | None = None
    while True:
        async with database.transaction() as session:
            page = await entries_of(session, account_id, before, _CSV_PAGE, only)
        if not page:
            return
        yield csv_rows(_cells(page))
        before = page[-1].id


def _cells(entries: Iterable[Entry]) -> Iterable[tuple[Any, ...]]:
    for one in entries:
        yield (
            one.at.isoformat(),
            one.name,
            one.email,
            "yes" if one.impersonated else "no",
            one.action,
            one.subject,
            json.dumps(one.details, ensure_ascii=False) if one.details else "",
            one.address,
        )
