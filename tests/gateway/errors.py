"""What every error must look like."""

from typing import Any

import httpx


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error object, which must have its four keys and nothing of the inside."""
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    for secret in ("Traceback", "/srv", "/opt", "ray.", "vllm", "Request ID", "maas_"):
        assert secret not in answer.text
    return error
