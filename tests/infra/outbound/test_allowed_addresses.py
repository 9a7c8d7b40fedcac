"""Allowed addresses: a connection is allowed by the addresses of a name, not by the name."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address, ip_network
from threading import Event
from threading import enumerate as threads
from typing import Any

import httpcore
import pytest

from infra.outbound.allowed_addresses import AllowedAddresses, NameStatus, OutOfReach
from infra.outbound.resolver import Resolver
from tests.support.fakes import names as fake_names

PUBLIC = AllowedAddresses()
OWN = AllowedAddresses(
    [ip_network("10.1.0.0/16"), ip_network("127.0.0.0/8"), ip_network("fd00::/8")]
)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server on 127.0.0.1."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name resolve to these addresses."""

    def looked_up(_host: str, *_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The looked up names whose name server does not answer before the end of the test."""
    ending, asked, real = Event(), list[str](), socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **values: Any) -> list[Any]:
        if not str(host).endswith("slow.example"):
            return real(host, *args, **values)
        asked.append(host)
        ending.wait(timeout=60)
        raise socket.gaierror(socket.EAI_AGAIN, "no name server answered")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    ending.set()
    for lookup in [one for one in threads() if one.name == "dns-lookup"]:
        lookup.join(timeout=10)  # tests count these threads


class TestAddressRules:
    @pytest.mark.parametrize(
        "address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
    )
    def test_public_address_is_allowed(self, address: str) -> None:
        assert PUBLIC.allows(ip_address(address))

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "0.0.0.0",  # a connection to it reaches this machine
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff0e::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::127.0.0.1",  # IPv4-compatible
            "::ffff:0:127.0.0.1",  # IPv4-translated
            "64:ff9b:1::7f00:1",  # a local network's own NAT64
            "2001:0:7f00:1::",  # Teredo
            "fec0::1",
            "fe80::1%2",
            "2002:a9fe:a9fe::",
            "198.18.0.1",
            "192.0.0.192",
            "100.100.100.200",
        ],
    )
    def test_local_or_private_address_is_rejected(self, address: str) -> None:
        assert not PUBLIC.allows(ip_address(address))

    @pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::7", "8.8.8.8"])
    def test_address_of_an_allowed_network_is_allowed(self, address: str) -> None:
        assert OWN.allows(ip_address(address))

    @pytest.mark.parametrize("address", ["10.2.0.1", "192.168.1.1", "169.254.169.254", "::1"])
    def test_private_address_outside_the_allowed_networks_is_rejected(self, address: str) -> None:
        assert not OWN.allows(ip_address(address))


class TestNameCheck:
    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("hook.example", NameStatus.ALLOWED),
            ("mixed.example", NameStatus.ALLOWED),
            ("inside.example", NameStatus.PRIVATE),
            ("missing.example", NameStatus.NOT_FOUND),
            ("empty.example", NameStatus.NOT_FOUND),
            ("away.example", NameStatus.UNAVAILABLE),
            ("broken.example", NameStatus.UNAVAILABLE),
        ],
    )
    async def test_name_status_follows_its_addresses_or_lookup_error(
        self, host: str, status: NameStatus
    ) -> None:
        assert await AllowedAddresses(resolve=fake_names.resolve).check(host) is status

    async def test_private_name_is_allowed_only_within_an_allowed_network(self) -> None:
        own = AllowedAddresses([ip_network("10.9.0.0/16")], fake_names.resolve)
        assert await own.check("inside.example") is NameStatus.PRIVATE
        own = AllowedAddresses([ip_network("10.0.0.0/8")], fake_names.resolve)
        assert await own.check("inside.example") is NameStatus.ALLOWED

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (TimeoutError(), NameStatus.UNAVAILABLE),
            (OSError("no sockets left"), NameStatus.UNAVAILABLE),
            (UnicodeError("label too long"), NameStatus.NOT_FOUND),
        ],
    )
    async def test_other_lookup_error_maps_to_unavailable_or_not_found(
        self, error: Exception, status: NameStatus
    ) -> None:
        async def failing(_host: str) -> list[Any]:
            raise error

        assert await AllowedAddresses(resolve=failing).check("hook.example") is status

    async def test_default_resolver_uses_the_system_lookup(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake_names.answer_lookups(monkeypatch)
        assert await PUBLIC.check("hook.example") is NameStatus.ALLOWED
        assert await PUBLIC.check("missing.example") is NameStatus.NOT_FOUND
        assert await PUBLIC.check("localhost") is NameStatus.PRIVATE

    @pytest.mark.usefixtures("network")
    async def test_name_that_changes_after_the_check_is_rejected_when_connecting(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """DNS rebinding: the check at entry does not apply to a later delivery."""
        reach = AllowedAddresses(resolve=fake_names.resolve)
        assert await reach.check("hook.example") is NameStatus.ALLOWED
        names(monkeypatch, "127.0.0.1", "10.1.2.3")
        with pytest.raises(OutOfReach):
            await reach.connect_tcp("hook.example", port)

    @pytest.mark.usefixtures("network")
    async def test_only_allowed_addresses_of_a_mixed_name_are_connected(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connected: list[str] = []

        async def connect(_self: Any, host: str, *_: Any) -> None:
            connected.append(host)

        names(monkeypatch, "10.1.2.3", "8.8.8.8")
        monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
        await PUBLIC.connect_tcp("mixed.example", port)
        assert connected == ["8.8.8.8"]


@pytest.mark.usefixtures("network")
class TestConnection:
    @pytest.mark.parametrize(
        "host",
        [
            *("127.0.0.1", "localhost", "localhost.", "LOCALHOST", "127.1", "127.0.0.9"),
            *("0", "0.0.0.0", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "017700000001"),
            *("::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:0:0:1"),
        ],
    )
    async def test_any_notation_of_this_machine_is_rejected(self, port: int, host: str) -> None:
        with pytest.raises(httpcore.ConnectError, match=r"not on the public internet|not known"):
            await PUBLIC.connect_tcp(host, port)

    async def test_name_of_this_machine_is_rejected_unless_its_network_is_allowed(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names(monkeypatch, "127.0.0.1")
        with pytest.raises(OutOfReach):
            await PUBLIC.connect_tcp("hook.example", port)
        await (await OWN.connect_tcp("hook.example", port)).aclose()

    async def test_name_is_looked_up_once_and_the_checked_address_connected(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The address that was looked up and checked is connected to, without a second lookup."""
        asked: list[str] = []

        def looked_up(host: str, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            address = "127.0.0.9" if len(asked) == 1 else "169.254.169.254"
            return [(0, 0, 0, "", (address, 0))]

        connected: list[str] = []

        async def connect(_self: Any, host: str, *_: Any) -> None:
            connected.append(host)

        monkeypatch.setattr(socket, "getaddrinfo", looked_up)
        monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
        await OWN.connect_tcp("hook.example", port)
        assert (asked, connected) == (["hook.example"], ["127.0.0.9"])
        with pytest.raises(OutOfReach):
            await OWN.connect_tcp("hook.example", port)
        assert connected == ["127.0.0.9"]

    async def test_rejected_and_unreachable_addresses_of_a_name_are_skipped(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names(monkeypatch, "192.168.1.1", "127.0.0.9", "127.0.0.1")
        await (await OWN.connect_tcp("hook.example", port)).aclose()

    async def test_closed_port_or_name_without_addresses_raises(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with pytest.raises(httpcore.ConnectError):
            await OWN.connect_tcp("127.0.0.1", port)
        names(monkeypatch)
        with pytest.raises(OutOfReach):
            await OWN.connect_tcp("hook.example", port)

    async def test_unknown_name_raises_connect_error(self) -> None:
        for host in ("nowhere.invalid", "x" * 300):
            with pytest.raises(httpcore.ConnectError, match="is not known"):
                await PUBLIC.connect_tcp(host, 443)

    async def test_names_without_an_answer_leave_the_lookups_of_other_code_free(
        self, slow_names: list[str]
    ) -> None:
        """The event loop's threads look up the host names of model servers and the database."""
        reach = AllowedAddresses()
        connecting = [
            asyncio.create_task(reach.connect_tcp(f"{number}.slow.example", 443))
            for number in range(40)  # more than the event loop has threads
        ]
        async with asyncio.timeout(10):
            while not slow_names:  # noqa: ASYNC110  # a thread adds one
                await asyncio.sleep(0.01)
            assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)
            assert await reach.check("127.0.0.1") is NameStatus.PRIVATE
        for one in connecting:
            one.cancel()
        await asyncio.gather(*connecting, return_exceptions=True)
        assert len(slow_names) <= 16

    async def test_name_without_an_answer_in_time_raises_connect_error(
        self, slow_names: list[str]
    ) -> None:
        reach = AllowedAddresses(resolve_to_connect=Resolver(timeout_s=0.05))
        with pytest.raises(httpcore.ConnectError, match="is not known"):
            await reach.connect_tcp("hook.slow.example", 443)
        assert slow_names == ["hook.slow.example"]

    async def test_unix_socket_is_rejected(self) -> None:
        with pytest.raises(OutOfReach):
            await OWN.connect_unix_socket("/var/run/docker.sock")

    async def test_sleep_is_passed_to_the_backend(self) -> None:
        await OWN.sleep(0)
