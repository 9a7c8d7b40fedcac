"""Calls of the API by commands, billed to an API key of one's own."""

import os
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from gateway.wire.error_bodies import read_refusal
from infra.errors import AppError

KEY_VARIABLE = "MAAS_API_KEY"
_TIMEOUT_S = 120.0


class ApiUnreachable(AppError):
    """The API does not respond at its address, or the key is missing."""

    status = 503
    code = "api_unreachable"


class ApiRefused(AppError):
    """The API responded with an error, whose message this one repeats."""

    code = "api_refused"


def open_api(url: str) -> httpx.Client:
    """Return a client of the API that sends the key. Raises ApiUnreachable without one."""
    secret = os.environ.get(KEY_VARIABLE, "")
    if not secret:
        raise ApiUnreachable(f"Set {KEY_VARIABLE} to an API key, as programs use it.")
    headers = {"authorization": f"Bearer {secret}"}
    return httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S)


def send_request(
    http: httpx.Client, method: str, path: str, body: bytes | None = None
) -> httpx.Response:
    """Send a request with a JSON body, if any. Raises ApiUnreachable."""
    headers = None if body is None else {"content-type": "application/json"}
    return _send(http, method, path, content=body, headers=headers)


def send_file(
    http: httpx.Client, path: str, file: Path, fields: Mapping[str, str]
) -> httpx.Response:
    """Send a file and fields as a form. Raises ApiUnreachable."""
    content = {"file": (file.name, file.read_bytes())}
    return _send(http, "POST", path, files=content, data=fields)


def _send(http: httpx.Client, method: str, path: str, **request: Any) -> httpx.Response:
    """Send a request. Raises ApiUnreachable."""
    try:
        return http.request(method, path, **request)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ApiUnreachable(
            f"The gateway does not respond at {http.base_url} ({type(error).__name__})."
        ) from None


def require_success(response: httpx.Response) -> httpx.Response:
    """Return a response with the status 200. Raises ApiRefused for any other one."""
    if response.status_code != HTTPStatus.OK:
        raise ApiRefused(error_message(response))
    return response


def error_message(response: httpx.Response) -> str:
    """Return the message of an error response."""
    return read_refusal(response.status_code, response.content).message
