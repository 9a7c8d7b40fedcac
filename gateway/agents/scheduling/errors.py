"""Errors of the scheduling of pumps, as HTTP error types."""

from infra.errors import AppError


class AgentScheduleMissing(AppError):
    """The definition of the agent has no section `schedule`."""

    status = 409
    type = "invalid_request_error"
    code = "agent_schedule_missing"


class SchedulePolicyNotFound(AppError):
    """The learned schedule does not exist, or is another agent's."""

    status = 404
    type = "invalid_request_error"
    code = "agent_schedule_policy_not_found"


class ScheduleLearning(AppError):
    """A schedule of the agent is being learned, or has been learned too often today."""

    status = 409
    type = "invalid_request_error"
    code = "agent_schedule_learning"


class ScheduleLogInsufficient(AppError):
    """The stored readings do not show enough to learn from; the message has the figures."""

    status = 409
    type = "invalid_request_error"
    code = "agent_schedule_log_insufficient"


class SchedulePolicyNotPromotable(AppError):
    """The learned schedule is not shown to be better; the message names what is missing."""

    status = 409
    type = "invalid_request_error"
    code = "agent_schedule_policy_not_promotable"
