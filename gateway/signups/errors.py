"""Errors of sign-up."""

from infra.errors import AppError


class SignupDisabled(AppError):
    """Companies cannot open accounts themselves here."""

    status = 404
    type = "invalid_request_error"
    code = "sign_up_disabled"

    def __init__(self) -> None:
        super().__init__("Sign-up is not available here. Ask the operator for an invitation.")


class EmailNotAccepted(AppError):
    """The address is at a domain of disposable mailboxes."""

    status = 400
    type = "invalid_request_error"
    code = "email_not_accepted"

    def __init__(self) -> None:
        super().__init__(
            "Use your work e-mail address. Disposable addresses are not accepted.", param="email"
        )


class SignupsBusy(AppError):
    """More sign-ups were started within an hour than the settings allow."""

    status = 503
    code = "sign_ups_busy"

    def __init__(self) -> None:
        super().__init__(
            "There are too many sign-ups at the moment. Try again in an hour.",
            headers={"retry-after": "3600"},
        )


class SignupNotFound(AppError):
    """There is no such sign-up, or its form was sent more than a day ago."""

    status = 404
    type = "invalid_request_error"
    code = "sign_up_not_found"

    def __init__(self) -> None:
        super().__init__("This sign-up does not exist or has expired. Start again.")


class SignupEnded(AppError):
    """The code was entered before."""

    status = 409
    type = "invalid_request_error"
    code = "sign_up_ended"

    def __init__(self) -> None:
        super().__init__("This sign-up is complete. Sign in to go on.")


class SignupCodeWrong(AppError):
    """The code is not the one that was sent."""

    status = 400
    type = "invalid_request_error"
    code = "sign_up_code_wrong"

    def __init__(self) -> None:
        super().__init__("The code is not correct. Check the latest e-mail.", param="code")


class SignupCodeExpired(AppError):
    """The code has expired or was tried too often."""

    status = 410
    type = "invalid_request_error"
    code = "sign_up_code_expired"

    def __init__(self) -> None:
        super().__init__("The code has expired or was tried too often. Send a new code.")


class TooManyCodes(AppError):
    """The sign-up has got as many codes as it can."""

    status = 429
    type = "invalid_request_error"
    code = "sign_up_too_many_codes"

    def __init__(self) -> None:
        super().__init__("No more codes are sent for this sign-up. Start again.")


class NotInReview(AppError):
    """The sign-up does not wait for a review, or cannot be reviewed."""

    status = 409
    type = "invalid_request_error"
    code = "sign_up_not_in_review"


class CreditCodeTaken(AppError):
    """Another account has the credit code; release it there before approving the sign-up."""

    status = 409
    type = "invalid_request_error"
    code = "credit_code_taken"
