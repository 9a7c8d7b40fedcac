"""The options with which `python -m gateway` starts uvicorn."""

from typing import Any

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway import __main__ as command


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The keyword arguments of `uvicorn.run`."""
    values: dict[str, Any] = {}
    monkeypatch.setattr(command.uvicorn, "run", lambda *_, **told: values.update(told))
    # Both change the whole process.
    monkeypatch.setattr(command, "configure_logging", lambda _level: None)
    monkeypatch.setattr(command, "exit_with_parent", lambda: None)
    return values


def test_proxy_headers_are_ignored_by_default(said: dict[str, Any]) -> None:
    command.main()
    assert not said["proxy_headers"]


async def test_proxy_headers_of_trusted_proxies_are_used(
    said: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAAS_TRUSTED_PROXIES", "10.1.0.5, 10.2.0.0/16")
    command.main()
    assert said["proxy_headers"]
    for proxy in ("10.1.0.5", "10.2.3.4"):
        assert await client_by(proxy, said) == "203.0.113.7"
    assert await client_by("10.1.0.6", said) == "10.1.0.6"


async def client_by(proxy: str, said: dict[str, Any]) -> str:
    """The client address of a request that arrives through a proxy."""
    seen: list[str] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    headers = [(b"x-forwarded-for", b"203.0.113.7")]
    scope = {"type": "http", "client": (proxy, 1), "headers": headers, "scheme": "http"}
    trusting = ProxyHeadersMiddleware(application, said["forwarded_allow_ips"])
    await trusting(scope, None, None)  # type: ignore[arg-type]
    return seen[0]
