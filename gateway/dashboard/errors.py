"""Error classes of dashboard requests, in addition to those of billing and identity."""

from infra.errors import AppError


class PageNotFound(AppError):
    """There is no such page, or its object belongs to another account (which is not disclosed)."""

    status = 404
    type = "invalid_request_error"
    code = "page_not_found"


class PermissionDenied(AppError):
    """The viewer's role lacks the permission."""

    status = 403
    type = "permission_error"
    code = "role_not_allowed"


class CsrfCheckFailed(AppError):
    """A POST came from another origin, or without the session's CSRF token."""

    status = 403
    type = "permission_error"
    code = "form_not_ours"


class AmountInvalid(AppError):
    """A form's amount cannot be parsed."""

    status = 400
    type = "invalid_request_error"
    code = "amount_unreadable"

    def __init__(self) -> None:
        super().__init__("Enter an amount.", param="amount")


class FormSessionOutdated(AppError):
    """A form was rendered by an earlier session of the same person; its input was saved.

    `return_to` is the path that shows the input again, `saved_secret` the cookie's value for it.
    """

    status = 403
    type = "permission_error"
    code = "form_outdated"

    def __init__(self, return_to: str, saved_secret: str) -> None:
        super().__init__("The form belongs to an earlier session.")
        self.return_to = return_to
        self.saved_secret = saved_secret


class LoginRequired(AppError):
    """The request has no valid session. `return_to` is the path to open after sign-in;
    `saved_secret` is the secret of form input to restore there, None if none was saved."""

    status = 401
    type = "authentication_error"
    code = "sign_in_needed"

    def __init__(self, return_to: str, saved_secret: str | None = None) -> None:
        super().__init__("Sign in to continue.")
        self.return_to = return_to
        self.saved_secret = saved_secret
