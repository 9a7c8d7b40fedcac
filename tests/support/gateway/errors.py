"""The required shape of every error."""

from typing import Any

import httpx

# All that is wrong with a training or question file.
_PROBLEMS = {"problems", "problem_count"}
# Of errors of models: the row of the call that they are about.
_PLACE = {"row", "value"}


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error object, which must have its documented keys and no internal details."""
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    is_of_file = error["code"] in (
        "invalid_training_file",
        "invalid_question_file",
        "plant_model_invalid",
    )
    further = _PROBLEMS if is_of_file else set()
    assert set(error) - _PLACE == {"message", "type", "param", "code"} | further
    for secret in ("Traceback", "/srv", "/opt", "ray.", "vllm", "Request ID", "maas_"):
        assert secret not in answer.text
    return error
