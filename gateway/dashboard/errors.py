"""What a page can be refused for, beside what billing and identity say."""

from infra.errors import AppError


class PageNotFound(AppError):
    """No such page, or nothing of this account's at it: whose it is, is nobody's business."""

    status = 404
    type = "invalid_request_error"
    code = "page_not_found"


class NotAllowed(AppError):
    """The person's role does not allow this."""

    status = 403
    type = "permission_error"
    code = "role_not_allowed"


class FormNotOurs(AppError):
    """A form that was not sent from a page of this session, or from one that is too old."""

    status = 403
    type = "permission_error"
    code = "form_not_ours"


class AmountUnreadable(AppError):
    """What was entered as an amount is none."""

    status = 400
    type = "invalid_request_error"
    code = "amount_unreadable"

    def __init__(self) -> None:
        super().__init__("This is no amount.", param="amount")


class FormOutdated(AppError):
    """A form of an earlier session of the same person, whose input was kept: `back` shows it."""

    status = 403
    type = "permission_error"
    code = "form_outdated"

    def __init__(self, back: str, kept: str) -> None:
        super().__init__("The form was of an earlier session.")
        self.back = back
        self.kept = kept


class SignInNeeded(AppError):
    """Nobody is signed in; `back` is where to go afterwards. `kept` is the secret of a form's input
    that will be shown there, None where nothing was kept."""

    status = 401
    type = "authentication_error"
    code = "sign_in_needed"

    def __init__(self, back: str, kept: str | None = None) -> None:
        super().__init__("Please sign in.")
        self.back = back
        self.kept = kept
