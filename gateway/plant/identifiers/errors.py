"""Errors of identifiers, their records and their resolution."""

from infra.errors import AppError


class IdentifierInvalid(AppError):
    """A text is not an identifier of a supported syntax, or its check digit is wrong."""

    status = 400
    type = "invalid_request_error"
    code = "identifier_invalid"


class IdentifierNotFound(AppError):
    """No record exists for the identifier: its owner, or the owner of its prefix, denies it."""

    status = 404
    type = "invalid_request_error"
    code = "identifier_not_found"


class PrefixNotOwned(AppError):
    """The account or node does not own the prefix of the identifier."""

    status = 403
    type = "invalid_request_error"
    code = "prefix_not_owned"


class PrefixTaken(AppError):
    """The prefix, or one that contains it or that it contains, is delegated to another owner."""

    status = 409
    type = "invalid_request_error"
    code = "prefix_taken"


class RecordConflict(AppError):
    """A record is not newer than the stored version."""

    status = 409
    type = "invalid_request_error"
    code = "record_version_conflict"


class RecordFileInvalid(AppError):
    """A CSV file of records has no usable first row, or is malformed."""

    status = 400
    type = "invalid_request_error"
    code = "identifier_file_invalid"


class RecordInvalid(AppError):
    """A record to register is malformed, too large, or not signed by the prefix's key."""

    status = 400
    type = "invalid_request_error"
    code = "identifier_record_invalid"


class StatementUntrusted(AppError):
    """A statement's signature does not verify with the key that its prefix was delegated to."""

    status = 502
    code = "identifier_untrusted"


class NodeUnreachable(AppError):
    """A node that is needed to resolve the identifier does not answer, and nothing is cached."""

    status = 503
    code = "identifier_node_unreachable"


class ResolutionLoop(AppError):
    """Nodes refer to each other, or more often than the limit."""

    status = 502
    code = "identifier_resolution_loop"


class ResolutionRateLimited(AppError):
    """The client sends more resolutions than the node answers per minute."""

    status = 429
    type = "rate_limit_error"
    code = "identifier_rate_limited"
