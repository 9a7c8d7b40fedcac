"""The errors of projects."""

from infra.errors import AppError


class ProjectNotFound(AppError):
    """The account has no such project."""

    status = 404
    type = "invalid_request_error"
    code = "project_not_found"


class ProjectNameInvalid(AppError):
    """A name of a project or service account is empty, too long or not printable."""

    status = 400
    type = "invalid_request_error"
    code = "project_name_invalid"


class ProjectNameTaken(AppError):
    """An active project of the account, or a service account of the project, has this name."""

    status = 409
    type = "invalid_request_error"
    code = "project_name_taken"


class ProjectNotActive(AppError):
    """The project is archived, so that it cannot be changed."""

    status = 409
    type = "invalid_request_error"
    code = "project_not_active"


class DefaultProject(AppError):
    """The default project cannot be archived."""

    status = 409
    type = "invalid_request_error"
    code = "default_project"


class ProjectMemberNotFound(AppError):
    """The person is no member of the account or of the project."""

    status = 404
    type = "invalid_request_error"
    code = "project_user_not_found"


class ProjectMemberExists(AppError):
    """The person is a member of the project already."""

    status = 409
    type = "invalid_request_error"
    code = "project_user_exists"


class LastProjectOwner(AppError):
    """The only owner of a project can neither be removed nor become a member."""

    status = 409
    type = "invalid_request_error"
    code = "last_project_owner"


class ServiceAccountNotFound(AppError):
    """The project has no such service account."""

    status = 404
    type = "invalid_request_error"
    code = "service_account_not_found"


class ServiceAccountKeyFixed(AppError):
    """A key of a service account belongs to the project of its service account."""

    status = 409
    type = "invalid_request_error"
    code = "service_account_key"


class ProjectChangeNotAllowed(AppError):
    """The API key or person may not manage this project."""

    status = 403
    type = "permission_error"
    code = "project_change_not_allowed"


class BudgetInvalid(AppError):
    """A budget or an alert percentage is not in the documented form."""

    status = 400
    type = "invalid_request_error"
    code = "budget_invalid"
