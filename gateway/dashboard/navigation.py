"""Navigation: which pages there are, for whom, and in which order.

Owns the list; a page that is not in it is reached from another.
"""

from dataclasses import dataclass

from gateway.dashboard.labels import marked
from gateway.identity.current_user import Viewer
from gateway.identity.roles import Permission


@dataclass(frozen=True, slots=True)
class Entry:
    """A page in the navigation; `icon` is a symbol of templates/parts/icons.html."""

    name: str
    text: str
    address: str
    icon: str
    permission: Permission = Permission.READ


ACCOUNT = (
    Entry("overview", marked("Overview"), "/dashboard", "home"),
    Entry("usage", marked("Usage"), "/dashboard/usage", "chart"),
    Entry("playground", marked("Playground"), "/dashboard/playground", "play", Permission.CALL),
    Entry("keys", marked("Keys"), "/dashboard/keys", "key"),
    Entry("plan", marked("Plan"), "/dashboard/plan", "plan"),
    Entry("invoices", marked("Invoices"), "/dashboard/invoices", "receipt"),
    Entry("outcomes", marked("Outcomes"), "/dashboard/outcomes", "target"),
    Entry("limits", marked("Limits and alerts"), "/dashboard/limits", "bell"),
    Entry("team", marked("Team"), "/dashboard/team", "people"),
    Entry("audit", marked("Audit log"), "/dashboard/audit", "list", Permission.TEAM),
)
PLATFORM_HOME = "/dashboard/platform"
PLATFORM = tuple(
    Entry(name, text, f"{PLATFORM_HOME}/{name}", icon, Permission.WATCH)
    for name, text, icon in (
        ("accounts", marked("Accounts"), "building"),
        ("revenue", marked("Revenue"), "chart"),
        ("receivables", marked("Receivables"), "bell"),
        ("webhooks", marked("Webhooks"), "globe"),
        ("jobs", marked("Jobs"), "gear"),
        ("reconciliation", marked("Reconciliation"), "check"),
        ("models", marked("Models"), "pulse"),
        ("plans", marked("Plans"), "plan"),
    )
)


def entries_for(viewer: Viewer) -> list[Entry]:
    """Those that the viewer may open: an account's pages, or the platform's."""
    pages = PLATFORM if viewer.account_id is None else ACCOUNT
    return [entry for entry in pages if viewer.may(entry.permission)]
