"""The navigation menu: the pages of an account and of the platform, in order."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.identity.current_user import Viewer
from gateway.identity.roles import Permission
from infra.translations import gettext_noop


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """A navigation item; `icon` is a symbol of templates/parts/icons.html.

    `also` is the address of further pages that belong to it.
    """

    name: str
    text: str
    address: str
    icon: str
    permission: Permission = Permission.READ
    also: str | None = None


ACCOUNT_HOME = "/dashboard"
ACCOUNT_PAGES = (
    NavigationEntry("overview", gettext_noop("Overview"), ACCOUNT_HOME, "home"),
    NavigationEntry("usage", gettext_noop("Usage"), "/dashboard/usage", "chart"),
    NavigationEntry(
        "playground", gettext_noop("Playground"), "/dashboard/playground", "play", Permission.CALL
    ),
    NavigationEntry("models", gettext_noop("Your models"), "/dashboard/models", "gear"),
    NavigationEntry("plant", gettext_noop("Plant"), "/dashboard/plant", "building"),
    NavigationEntry(
        "plant-graph", gettext_noop("Knowledge graph"), "/dashboard/plant/graph", "target"
    ),
    NavigationEntry("agents", gettext_noop("Agents"), "/dashboard/agents", "pulse"),
    NavigationEntry("evaluations", gettext_noop("Evaluations"), "/dashboard/evaluations", "check"),
    NavigationEntry("batches", gettext_noop("Batches"), "/dashboard/batches", "copy"),
    NavigationEntry("readings", gettext_noop("Readings"), "/dashboard/plant/readings", "chart"),
    NavigationEntry("identifiers", gettext_noop("Identifiers"), "/dashboard/identifiers", "list"),
    NavigationEntry(
        "keys", gettext_noop("API keys"), "/dashboard/keys", "key", also="/dashboard/admin-keys"
    ),
    NavigationEntry("projects", gettext_noop("Projects"), "/dashboard/projects", "building"),
    NavigationEntry("plan", gettext_noop("Plan"), "/dashboard/plan", "plan"),
    NavigationEntry(
        "invoices",
        gettext_noop("Invoices"),
        "/dashboard/invoices",
        "receipt",
        also="/dashboard/fapiao",
    ),
    NavigationEntry("wallet", gettext_noop("Wallet"), "/dashboard/wallet", "wallet"),
    NavigationEntry("credit", gettext_noop("Credit"), "/dashboard/credit", "plan"),
    NavigationEntry("packs", gettext_noop("Prepaid packs"), "/dashboard/packs", "plan"),
    NavigationEntry("outcomes", gettext_noop("Outcomes"), "/dashboard/outcomes", "target"),
    NavigationEntry("predictions", gettext_noop("Predictions"), "/dashboard/predictions", "pulse"),
    NavigationEntry("limits", gettext_noop("Limits and alerts"), "/dashboard/limits", "bell"),
    NavigationEntry(
        "notifications", gettext_noop("Notifications"), "/dashboard/notifications", "globe"
    ),
    NavigationEntry("status", gettext_noop("Service status"), "/dashboard/status", "pulse"),
    NavigationEntry("guard", gettext_noop("Guard"), "/dashboard/guard", "check"),
    NavigationEntry("team", gettext_noop("Team"), "/dashboard/team", "people"),
    NavigationEntry(
        "audit", gettext_noop("Audit log"), "/dashboard/audit", "list", Permission.TEAM
    ),
)
PLATFORM_HOME = "/dashboard/platform"
PLATFORM_PAGES = tuple(
    NavigationEntry(name, text, f"{PLATFORM_HOME}/{name}", icon, Permission.WATCH)
    for name, text, icon in (
        ("inbox", gettext_noop("Pending work"), "bell"),
        ("accounts", gettext_noop("Accounts"), "building"),
        ("signups", gettext_noop("Sign-ups"), "people"),
        ("revenue", gettext_noop("Revenue"), "chart"),
        ("receivables", gettext_noop("Receivables"), "bell"),
        ("credit", gettext_noop("Credit"), "plan"),
        ("bank", gettext_noop("Bank transfers"), "down"),
        ("fapiao", gettext_noop("Fapiao"), "receipt"),
        ("payments", gettext_noop("Payments"), "receipt"),
        ("packs", gettext_noop("Packs and vouchers"), "plan"),
        ("webhooks", gettext_noop("Messages"), "globe"),
        ("jobs", gettext_noop("Jobs"), "gear"),
        ("reconciliation", gettext_noop("Reconciliation"), "check"),
        ("incidents", gettext_noop("Incidents"), "bell"),
        ("models", gettext_noop("Models"), "pulse"),
        ("nodes", gettext_noop("Identifier node"), "globe"),
        ("plans", gettext_noop("Plans"), "plan"),
        ("admin-keys", gettext_noop("Admin keys"), "key"),
    )
)


def navigation_for(viewer: Viewer) -> list[NavigationEntry]:
    """Return the viewer's navigation: the permitted pages of the account, or of the platform."""
    pages = PLATFORM_PAGES if viewer.account_id is None else ACCOUNT_PAGES
    return [entry for entry in pages if viewer.has_permission(entry.permission)]


def current_entry(entries: Sequence[NavigationEntry], path: str) -> NavigationEntry | None:
    """Return the one entry to which a page belongs: that of the longest address."""
    found = [(len(_matched(entry, path)), entry) for entry in entries if _matched(entry, path)]
    return max(found, key=lambda one: one[0])[1] if found else None


def _matched(entry: NavigationEntry, path: str) -> str:
    """Return the address of an entry that a page's path begins with, or an empty text."""
    addresses = (entry.address, *([entry.also] if entry.also else []))
    fits = [
        one
        for one in addresses
        if path == one or (one != ACCOUNT_HOME and path.startswith(f"{one}/"))
    ]
    return max(fits, key=len, default="")
