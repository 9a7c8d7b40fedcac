"""Errors of evaluation runs."""

from gateway.call.errors import BadRequest
from infra.errors import AppError
from models.problems import Problems


class QuestionFileRejected(BadRequest):
    """The question file is invalid.

    The message names the first problem. The error object has up to 100 `problems` and the total
    `problem_count`; `problems` of the error has them as objects.
    """

    code = "invalid_question_file"

    def __init__(self, problems: Problems) -> None:
        super().__init__(problems.summary, param="file")
        self.problems = problems
        self.details = {
            "problem_count": problems.count,
            "problems": [problem.as_json() for problem in problems.shown],
        }


class EvaluationRunNotFound(AppError):
    """The account has no such evaluation run."""

    status = 404
    type = "invalid_request_error"
    code = "evaluation_run_not_found"


class TooManyEvaluationRuns(BadRequest):
    """The account has reached the maximum number of open or stored runs."""

    status = 429
    type = "rate_limit_error"
    code = "too_many_evaluation_runs"


class EvaluationRunAlreadyEnded(BadRequest):
    """The run has ended and cannot be canceled."""

    status = 409
    code = "evaluation_run_over"


class EvaluationRunOpen(BadRequest):
    """The run has not ended, so it cannot be deleted or continued."""

    status = 409
    code = "evaluation_run_open"
