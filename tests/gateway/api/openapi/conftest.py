"""The OpenAPI document, read once for the tests of a module."""

from typing import Any

import pytest

from tests.support.builders import Gateway


@pytest.fixture(scope="module")
async def document(shared_gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = (await shared_gateway.http.get("/openapi.json")).json()
    return found
