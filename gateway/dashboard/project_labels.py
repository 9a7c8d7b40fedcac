"""Labels of projects and their keys: roles, audit log actions and error messages."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.dashboard.key_labels import KEY_ACTIONS
from infra.translations import gettext_noop

PROJECT_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "project_role": {
            "owner": gettext_noop("Owner"),
            "member": gettext_noop("Project member"),
        },
    }
)
PROJECT_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        **KEY_ACTIONS,
        "project.created": gettext_noop("Created a project"),
        "project.renamed": gettext_noop("Renamed a project"),
        "project.archived": gettext_noop("Archived a project"),
        "project.budget_changed": gettext_noop("Changed a project's budget"),
        "project.alerts_changed": gettext_noop("Changed a project's alerts"),
        "project.member_added": gettext_noop("Added a person to a project"),
        "project.role_changed": gettext_noop("Changed a role in a project"),
        "project.member_removed": gettext_noop("Removed a person from a project"),
        "service_account.created": gettext_noop("Created a service account"),
        "service_account.deleted": gettext_noop("Deleted a service account"),
    }
)
# Fields of audit log entries.
PROJECT_DETAILS: Mapping[str, str] = MappingProxyType(
    {
        "day": gettext_noop("Daily budget"),
        "month": gettext_noop("Monthly budget"),
        "total": gettext_noop("Total budget"),
        "person": gettext_noop("Member"),
    }
)
PROJECT_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "project_name_invalid": gettext_noop("Enter a name of 1 to 100 printable characters."),
        "project_name_taken": gettext_noop("This name is in use. Choose another name."),
        "project_not_active": gettext_noop("The project is archived. Choose an active project."),
        "default_project": gettext_noop("The default project cannot be archived."),
        "last_project_owner": gettext_noop(
            "This person is the only owner of the project. Make another member an owner first."
        ),
        "project_user_exists": gettext_noop("This person is a member of the project already."),
        "project_user_not_found": gettext_noop("This person is not a member."),
        "service_account_key": gettext_noop(
            "A key of a service account cannot be moved. Create a service account in the other "
            "project."
        ),
        "key_not_found": gettext_noop("The account has no such API key."),
        "budget_invalid": gettext_noop("Enter a number from 0; percentages from 1 to 100."),
    }
)
# Its name in billing/reconciliation/usage_and_quotas.py.
PROJECT_CHECK = gettext_noop("Project budget used equals the cost of the project's calls")
