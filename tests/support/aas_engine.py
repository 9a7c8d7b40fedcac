"""The IDTA's test engine for Asset Administration Shells, and its findings."""

import io
import warnings
from collections.abc import Container

import requests

# Its dependencies have invalid escape sequences, which Python reports when it compiles them first.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from aas_test_engines import api, file
    from aas_test_engines.config import CheckApiConfig
    from aas_test_engines.http import HttpClient, Request
    from aas_test_engines.result import AasTestResult, Level


class KeyedClient(HttpClient):
    """The engine's client with an API key, which the engine's own does not send."""

    def __init__(self, url: str, session: requests.Session) -> None:
        super().__init__(url)
        self.session = session

    def descend(self, prefix: str) -> "KeyedClient":
        """Return a client below a path."""
        below = KeyedClient(self.host, self.session)
        below.prefixes = [prefix]
        return below

    def send(self, request: Request) -> requests.Response:
        """Send a request with the session's headers."""
        url = self.host + "".join(self.prefixes) + request.make_url()
        return self.session.request(request.method, url, headers=request.headers)


def check_service(
    url: str, secret: str, suite: str, expected: Container[str]
) -> tuple[list[str], int, int]:
    """Return the findings of a suite but the expected ones, and the numbers of tests passed.

    A finding is `operation: message`, an expected one that or its message. The numbers are those of
    tests with invalid and with valid requests.
    """
    with requests.Session() as session:
        session.headers["authorization"] = f"Bearer {secret}"
        conf = CheckApiConfig(suite=suite)
        result, matrix = api.execute_tests(KeyedClient(url, session), conf)
    found = [
        f"{operation.message.removeprefix('Checking ')}: {text}"
        for operation in result.sub_results
        for text in findings(operation)
        if text not in expected
    ]
    found = [text for text in found if text not in expected]
    return found, matrix.invalid_rejected, matrix.valid_accepted


def check_json(content: bytes) -> AasTestResult:
    """Return the engine's result for an environment in JSON."""
    return file.check_json_file(io.StringIO(content.decode()))


def check_aasx(content: bytes) -> AasTestResult:
    """Return the engine's result for an AASX package."""
    return file.check_aasx_file(io.BytesIO(content))


def findings(result: AasTestResult) -> list[str]:
    """Return the messages of warnings and errors."""
    if not result.sub_results:
        return [] if result.level is Level.INFO else [result.message]
    return [text for below in result.sub_results for text in findings(below)]


def messages(result: AasTestResult) -> list[str]:
    """Return all messages of a result."""
    return [result.message, *(text for below in result.sub_results for text in messages(below))]
