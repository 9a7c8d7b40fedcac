"""The errors of purchases of prepaid packs."""

from infra.errors import AppError


class PackUnavailable(AppError):
    """The pack cannot be bought: a purchase limit is reached, or not in this way."""

    status = 409
    type = "invalid_request_error"
    code = "pack_unavailable"


class PackFundsInsufficient(AppError):
    """The wallet, or the available credit, does not cover the pack beside all usage so far."""

    status = 402
    type = "invalid_request_error"
    code = "pack_funds_insufficient"


class PackPurchaseNotFound(AppError):
    """The account has no purchase with this id."""

    status = 404
    type = "invalid_request_error"
    code = "pack_purchase_not_found"


class PackPurchaseConflict(AppError):
    """The business key was used for a purchase of another pack or by another method."""

    status = 409
    type = "invalid_request_error"
    code = "pack_purchase_differs"
