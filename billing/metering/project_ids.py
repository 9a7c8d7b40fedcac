"""Public ids of projects and service accounts."""

from uuid import UUID

from infra import ids

PROJECT_ID_PREFIX = "proj"
SERVICE_ACCOUNT_ID_PREFIX = "svc_acct"
# The name of default projects that nobody renamed; pages and invoices translate it.
DEFAULT_NAME = "Default project"


def project_public_id(project_id: UUID | None, account_id: UUID | None) -> str | None:
    """Return the id `proj_…` of a row's project; None without an account.

    Rows without a project belong to the account's default project, whose id is the account's.
    """
    found = project_id or account_id
    return None if found is None else ids.format_id(PROJECT_ID_PREFIX, found)


def parse_service_account_id(text: str) -> UUID | None:
    """Parse the id `svc_acct_…` of a service account. Returns None if it is invalid."""
    head, _, rest = text.partition("_")
    return ids.parse_id("acct", rest) if head == "svc" else None
