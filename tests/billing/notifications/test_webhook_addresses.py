"""Webhook addresses: a URL that can never be reached is rejected on input."""

from ipaddress import ip_network

import pytest

from billing.notifications.alert_targets import AlertTargetInvalid
from billing.notifications.webhook_addresses import (
    HOST_NOT_CHECKED,
    WebhookUnreachable,
    check_host_resolves,
    require_allowed_url,
)
from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.resolver import Address
from tests.support.fakes import names

PUBLIC = AllowedAddresses()
INSIDE = AllowedAddresses([ip_network("10.0.0.0/8")])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://acme.example/hook?token=1",
        "https://hooks.acme.example:8443/a",
        "http://acme.example/",
        "https://8.8.8.8/",
        "https://[2001:4860:4860::8888]/x",
        "https://采购.example/",
        "https://xn--fiqs8s/".replace("xn--fiqs8s", "a.xn--fiqs8s"),
    ],
)
def test_public_webhook_url_is_accepted(url: str) -> None:
    assert require_allowed_url(url, PUBLIC) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("acme.example", "scheme"),
        ("ftp://acme.example/", "scheme"),
        ("https:///path", "scheme"),
        ("https://li:secret@acme.example/", "credentials"),
        ("https://li@acme.example/", "credentials"),
        ("https://acme.example:0/", "port"),
        ("https://acme.example:65536/", "port"),
        ("https://acme.example:x/", "port"),
        ("https://[::1", "port"),
        ("https://127.0.0.1/", "private"),
        ("https://10.1.2.3/", "private"),
        ("https://192.168.1.1/", "private"),
        ("https://169.254.169.254/latest/meta-data", "private"),
        ("https://0.0.0.0/", "private"),
        ("https://224.0.0.1/", "private"),
        ("https://[::1]/", "private"),
        ("https://[fe80::1]/", "private"),
        ("https://[::ffff:10.0.0.1]/", "private"),
        ("https://[64:ff9b::7f00:1]/", "private"),
        ("https://hook/", "name"),
        ("https://localhost/", "name"),
        ("https://localhost./", "name"),
        ("https://mes.local/", "name"),
        ("https://acme.invalid/", "name"),
        ("https://acme.test/", "name"),
        ("https://db.internal/", "name"),
        ("https://2130706433/", "name"),
        ("https://0x7f.1/", "name"),
        ("https://127.1/", "name"),
        ("https://a..example/", "name"),
        ("https://-a.example/", "name"),
    ],
)
def test_unreachable_webhook_url_is_rejected_with_its_reason(url: str, why: str) -> None:
    with pytest.raises(WebhookUnreachable) as refused:
        require_allowed_url(url, PUBLIC)
    assert (refused.value.reason, refused.value.param) == (why, "url")
    assert isinstance(refused.value, AlertTargetInvalid)
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("url", ["http://10.1.2.3:8080/", "http://mes/", "https://mes.local/"])
def test_webhook_url_in_an_allowed_network_is_accepted(url: str) -> None:
    assert require_allowed_url(url, INSIDE) == url


@pytest.mark.parametrize("url", ["https://192.168.1.1/", "https://acme.invalid/"])
def test_webhook_url_outside_the_allowed_networks_is_rejected(url: str) -> None:
    with pytest.raises(WebhookUnreachable):
        require_allowed_url(url, INSIDE)


NAMES = AllowedAddresses(resolve=names.resolve)


@pytest.mark.parametrize(
    "url", ["https://hook.example/", "https://mixed.example:8443/x", "https://8.8.8.8/"]
)
async def test_host_name_with_an_allowed_address_passes_the_dns_check(url: str) -> None:
    assert await check_host_resolves(url, NAMES) is None


@pytest.mark.parametrize(
    ("url", "why", "said"),
    [
        ("https://missing.example/?k=secret", "not_found", "missing.example does not exist"),
        ("https://empty.example/", "not_found", "empty.example does not exist or has no address"),
        ("https://inside.example/", "private_name", "resolves only to private"),
        ("https://hook.example/\ud800", "url", "not valid"),
        ("https://hook.example/a\n", "url", "not valid"),
    ],
)
async def test_unreachable_host_name_is_rejected_with_its_reason(
    url: str, why: str, said: str
) -> None:
    with pytest.raises(WebhookUnreachable) as refused:
        await check_host_resolves(url, NAMES)
    assert (refused.value.reason, refused.value.param) == (why, "url")
    assert said in refused.value.message
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("host", ["away.example", "broken.example"])
async def test_dns_check_returns_a_warning_if_dns_is_unavailable(host: str) -> None:
    assert await check_host_resolves(f"https://{host}/", NAMES) == HOST_NOT_CHECKED


async def test_dns_check_encodes_the_host_name_as_a_delivery_does() -> None:
    """IDNA 2008, as in deliveries; Python's own encoding implements an older standard."""
    asked: list[str] = []

    async def resolve(host: str) -> list[Address]:
        asked.append(host)
        return await names.resolve(host)

    await check_host_resolves("https://Straße.采购.example/", AllowedAddresses(resolve=resolve))
    assert asked == ["xn--strae-oqa.xn--7n3ap4g.example"]
