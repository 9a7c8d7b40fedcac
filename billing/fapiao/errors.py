"""Errors of fapiao."""

from infra.errors import AppError


class FapiaoTitleInvalid(AppError):
    """A field of a buyer title is not valid; `param` names it."""

    status = 400
    type = "invalid_request_error"
    code = "fapiao_title_invalid"


class FapiaoTitleNotFound(AppError):
    """The account has no buyer title with this id, or none at all."""

    status = 404
    type = "invalid_request_error"
    code = "fapiao_title_not_found"


class FapiaoNotFound(AppError):
    """The account has no fapiao with this id, or the fapiao has no file of this format."""

    status = 404
    type = "invalid_request_error"
    code = "fapiao_not_found"


class FapiaoNotPossible(AppError):
    """The invoice cannot have a fapiao: its currency, its status or its tax treatment."""

    status = 409
    type = "invalid_request_error"
    code = "fapiao_not_possible"


class FapiaoAlreadyRequested(AppError):
    """All that was paid on the invoice is on fapiao or requested already."""

    status = 409
    type = "invalid_request_error"
    code = "fapiao_already_requested"


class InvalidFapiaoState(AppError):
    """The fapiao's status does not allow the operation."""

    status = 409
    type = "invalid_request_error"
    code = "fapiao_state_wrong"


class FapiaoFileInvalid(AppError):
    """A file is too large or has the wrong format: OFD, PDF, the template or the result list."""

    status = 400
    type = "invalid_request_error"
    code = "fapiao_file_invalid"


class FapiaoCategoryInvalid(AppError):
    """The code of a service category does not have 19 digits, or its product or item is empty."""

    status = 400
    type = "invalid_request_error"
    code = "fapiao_category_invalid"


class NothingToIssue(AppError):
    """No fapiao is waiting to be issued, or several sellers have some and none was named."""

    status = 409
    type = "invalid_request_error"
    code = "fapiao_nothing_to_issue"
