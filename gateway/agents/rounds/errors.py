"""Errors of inspection rounds, as HTTP error types."""

from infra.errors import AppError


class RoundNotFound(AppError):
    """The round does not exist, or is another account's."""

    status = 404
    type = "invalid_request_error"
    code = "agent_round_not_found"


class RoundClosed(AppError):
    """The round was submitted or cancelled, so it takes no answers."""

    status = 409
    type = "invalid_request_error"
    code = "agent_round_closed"


class RoundAnswerInvalid(AppError):
    """An answer does not fit its question; `param` names the field. Nothing was stored."""

    status = 400
    type = "invalid_request_error"
    code = "agent_round_answer_invalid"


class RoundIncomplete(AppError):
    """Required questions have no answer yet; `param` names the first one."""

    status = 409
    type = "invalid_request_error"
    code = "agent_round_incomplete"


class RoundPhotoInvalid(AppError):
    """The file is no photo that can be read, or is too large."""

    status = 400
    type = "invalid_request_error"
    code = "agent_round_photo_invalid"


class RoundPlanMissing(AppError):
    """The agent's definition has no route."""

    status = 409
    type = "invalid_request_error"
    code = "agent_round_plan_missing"
