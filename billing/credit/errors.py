"""Errors of credit policies, overrides, deposits and guarantees."""

from infra.errors import AppError


class CreditPolicyInvalid(AppError):
    """The rules of a credit policy are incomplete, out of range or inconsistent."""

    status = 400
    type = "invalid_request_error"
    code = "credit_policy_invalid"


class CreditPolicyNotFound(AppError):
    """The credit policy does not exist in this currency."""

    status = 404
    type = "invalid_request_error"
    code = "credit_policy_not_found"


class CreditPolicyMissing(AppError):
    """The account has no credit policy, so it keeps the limit that the operator set."""

    status = 409
    type = "invalid_request_error"
    code = "credit_policy_missing"


class CreditPolicyApplies(AppError):
    """The account's limit follows a credit policy; an operator changes it by an override."""

    status = 409
    type = "invalid_request_error"
    code = "credit_policy_applies"


class OverrideInvalid(AppError):
    """An override's amount or expiry is not valid."""

    status = 400
    type = "invalid_request_error"
    code = "credit_override_invalid"


class DepositInvalid(AppError):
    """A deposit's amount or reference is not valid."""

    status = 400
    type = "invalid_request_error"
    code = "deposit_invalid"


class DepositConflict(AppError):
    """The reference was used before with another amount or invoice."""

    status = 409
    type = "invalid_request_error"
    code = "deposit_differs"


class DepositTooSmall(AppError):
    """More is to be returned or applied than the account's deposit, or than the invoice owes."""

    status = 409
    type = "invalid_request_error"
    code = "deposit_too_small"


class GuaranteeInvalid(AppError):
    """A guarantee's guarantor, amount, reference or expiry is not valid."""

    status = 400
    type = "invalid_request_error"
    code = "guarantee_invalid"


class GuaranteeNotFound(AppError):
    """The account has no such guarantee."""

    status = 404
    type = "invalid_request_error"
    code = "guarantee_not_found"


class ExposureLimitInvalid(AppError):
    """The scope, subject or amount of an exposure limit is not valid."""

    status = 400
    type = "invalid_request_error"
    code = "exposure_limit_invalid"
