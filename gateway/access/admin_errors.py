"""Errors of admin keys (docs/errors.md)."""

from gateway.call.errors import Unauthorised
from infra.errors import AppError


class AdminScopeInvalid(AppError):
    """A scope is unknown, or a platform admin key would have none."""

    status = 400
    type = "invalid_request_error"
    code = "admin_scope_invalid"


class AdminScopeMissing(AppError):
    """The admin key lacks the scope of the endpoint."""

    status = 403
    type = "permission_error"
    code = "admin_scope_missing"


class AdminKeyRequired(Unauthorised):
    """The credentials are no valid admin key of the kind that the endpoint needs."""

    code = "admin_key_required"


class AdminKeyNotFound(AppError):
    """The platform or the account has no such admin key."""

    status = 404
    type = "invalid_request_error"
    code = "admin_key_not_found"


class AdminKeyInvalid(AppError):
    """A new admin key's lifetime is out of range, or there are too many keys."""

    status = 400
    type = "invalid_request_error"
    code = "admin_key_invalid"
