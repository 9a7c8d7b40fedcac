"""The audit log page: entries, filters and CSV, for owners only."""

import csv
import io
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from gateway.dashboard.formatting import LocaleFormatter
from gateway.dashboard.i18n import Language, dashboard_texts
from gateway.dashboard.pages.audit_details import AuditDetail, AuditDetailFormatter
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.roles import Role
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words

PAGE = "/dashboard/audit"
DETAILS = AuditDetailFormatter(
    dashboard_texts("en").gettext,
    LocaleFormatter(Language("en").locale),
    "CNY",
    ZoneInfo("Asia/Shanghai"),
)


async def happens(office: Firm, count: int = 1) -> None:
    """Record audit events whose subject looks like a spreadsheet formula."""
    by = Actor(office.owner.person_id, "203.0.113.7")
    async with office.gateway.parts.database.transaction() as session:
        for _ in range(count):
            place = by, office.gateway.account.id, "plan.changed", "=1+1", {"to": "growth"}
            await record_audit_event(session, office.clock, *place)


class TestAuditLogPage:
    async def test_entries_are_shown_and_filtered_by_subject_and_person(self, office: Firm) -> None:
        key = f"key_{office.gateway.key.row.id.hex}"
        await office.owner.send(f"/dashboard/keys/{key}/limits", budget="20", streams="")
        gateway = office.gateway
        async with looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER) as one:
            member = f"/dashboard/team/person_{one.person_id.hex}"
            await office.owner.send(f"{member}/role", role="finance")
        said = words(await office.owner.page(PAGE))
        assert "Changed a key's limits · test Monthly budget: – → CN¥20.00" in said
        assert "Changed a role · Li Xuemei Viewer → Finance" in said
        assert "Operator Created a key · test –" in said
        assert "127.0.0.1" in said
        only = words(await office.owner.page(f"{PAGE}?about=member"))
        assert "Changed a role" in only
        assert "Changed a key's limits ·" not in only
        mine = await office.owner.page(f"{PAGE}?person=person_{office.owner.person_id.hex}")
        assert "Operator" not in mine
        for query in ("about=key%25", "person=x", f"person=person_{'0' * 32}"):
            assert "No entries yet" in await office.owner.page(f"{PAGE}?{query}")

    async def test_log_is_paginated_and_csv_has_all_entries(self, office: Firm) -> None:
        await happens(office, 51)
        page = await office.owner.page(f"{PAGE}?about=plan")
        assert page.count("Changed the plan") == 50
        older = re.search(r'href="(/dashboard/audit\?about=plan&amp;before=audit_\w+)"', page)
        assert older is not None
        rest = await office.owner.page(older[1].replace("&amp;", "&"))
        assert rest.count("Changed the plan") == 1
        answer = await office.owner.http.get(f"{PAGE}/entries.csv?about=plan")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert len(rows) == 51
        first = rows[0]
        assert (first["who"], first["action"]) == ("Li Xuemei", "plan.changed")
        assert (first["subject"], first["details"]) == ("'=1+1", '{"to": "growth"}')
        assert datetime.fromisoformat(first["at"]).tzinfo == UTC

    async def test_only_owner_of_the_account_can_read_its_log(self, office: Firm) -> None:
        gateway = office.gateway
        await happens(office)
        for role in (Role.DEVELOPER, Role.FINANCE, Role.VIEWER):
            async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
                assert PAGE not in await one.page("/dashboard/team")
                await one.page(PAGE, 403)
                await one.page(f"{PAGE}/entries.csv", 403)
        for address in (PAGE, f"{PAGE}/entries.csv"):
            assert "plan.changed" not in await office.stranger.page(address)


class TestAuditDetails:
    def test_values_are_formatted_by_kind(self) -> None:
        said = {"agent": "Firefox on Windows", "reason": "", "percentages": [50, 80], "x": 1}
        assert DETAILS.read(said) == [
            AuditDetail("Browser", "Firefox, Windows"),
            AuditDetail("Reason", "–"),
            AuditDetail("Percentages", "50, 80"),
            AuditDetail("x", "1"),
        ]

    def test_timestamp_is_formatted_and_other_text_is_kept(self) -> None:
        (told,) = DETAILS.read({"until": "2026-11-26T10:00:00+00:00"})
        assert "6:00:00" in told.text
        assert DETAILS.read({"until": "soon"}) == [AuditDetail("Valid until", "soon")]

    def test_only_changed_fields_are_listed_with_old_and_new_value(self) -> None:
        assert DETAILS.read({"from": "owner", "to": "viewer"}) == [
            AuditDetail("", "Viewer", "Owner")
        ]
        before = {"budget": None, "requests": 5, "streams": 1}
        after = {"budget": 7_500_000_000, "requests": 5, "streams": None}
        assert DETAILS.read({"from": before, "to": after}) == [
            AuditDetail("Monthly budget", "CN¥7.50", "–"),
            AuditDetail("Concurrent streams", "–", "1"),
        ]
