"""Errors of bank statements."""

from infra.errors import AppError


class BankStatementInvalid(AppError):
    """The file is no bank statement that can be read, or too large; nothing was stored."""

    status = 400
    type = "invalid_request_error"
    code = "bank_statement_invalid"


class BankLineNotFound(AppError):
    """There is no line of a bank statement with this id."""

    status = 404
    type = "invalid_request_error"
    code = "bank_line_not_found"


class InvalidBankLineState(AppError):
    """The line's status does not allow the operation, or it has no proposal."""

    status = 409
    type = "invalid_request_error"
    code = "bank_line_state_wrong"


class PaymentProofInvalid(AppError):
    """A proof of payment is no PDF, PNG or JPEG file, too large, or one too many."""

    status = 400
    type = "invalid_request_error"
    code = "payment_proof_invalid"


class PaymentProofNotFound(AppError):
    """There is no proof of payment with this id."""

    status = 404
    type = "invalid_request_error"
    code = "payment_proof_not_found"
