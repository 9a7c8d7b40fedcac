"""Reach: which addresses may be connected to, by what a name stands for and not by the name."""

import asyncio
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from typing import Any

import httpcore
import pytest

from infra.outbound.allowed_addresses import AllowedAddresses, NameStatus, OutOfReach
from tests.support.fakes import names as fake_names

PUBLIC = AllowedAddresses()
OWN = AllowedAddresses(
    [ip_network("10.1.0.0/16"), ip_network("127.0.0.0/8"), ip_network("fd00::/8")]
)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Of a server on 127.0.0.1."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every name stands for these."""

    async def looked_up(_loop: Any, _host: str, port: int, **_: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", looked_up)


class TestAddresses:
    @pytest.mark.parametrize(
        "address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
    )
    def test_of_the_public_internet(self, address: str) -> None:
        assert PUBLIC.allows(ip_address(address))

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "0.0.0.0",  # connected to, it is this machine
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
    def test_of_this_machine_or_network(self, address: str) -> None:
        assert not PUBLIC.allows(ip_address(address))

    @pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::7", "8.8.8.8"])
    def test_of_a_network_that_is_allowed(self, address: str) -> None:
        assert OWN.allows(ip_address(address))

    @pytest.mark.parametrize("address", ["10.2.0.1", "192.168.1.1", "169.254.169.254", "::1"])
    def test_of_another(self, address: str) -> None:
        assert not OWN.allows(ip_address(address))


class TestChecking:
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
    async def test_a_name_by_its_addresses_or_the_error(
        self, host: str, status: NameStatus
    ) -> None:
        assert await AllowedAddresses(resolve=fake_names.resolve).check(host) is status

    async def test_a_private_name_in_a_network_that_is_allowed(self) -> None:
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
    async def test_other_errors(self, error: Exception, status: NameStatus) -> None:
        async def failing(_host: str) -> list[Any]:
            raise error

        assert await AllowedAddresses(resolve=failing).check("hook.example") is status

    async def test_by_the_system_where_no_resolver_is_given(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake_names.answer_lookups(monkeypatch)
        assert await PUBLIC.check("hook.example") is NameStatus.ALLOWED
        assert await PUBLIC.check("missing.example") is NameStatus.NOT_FOUND
        assert await PUBLIC.check("localhost") is NameStatus.PRIVATE

    @pytest.mark.usefixtures("network")
    async def test_a_name_that_passed_and_changes_is_refused_when_connecting(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """DNS rebinding: what was said at entry counts for nothing in a delivery."""
        reach = AllowedAddresses(resolve=fake_names.resolve)
        assert await reach.check("hook.example") is NameStatus.ALLOWED
        names(monkeypatch, "127.0.0.1", "10.1.2.3")
        with pytest.raises(OutOfReach):
            await reach.connect_tcp("hook.example", port)

    @pytest.mark.usefixtures("network")
    async def test_of_mixed_addresses_only_the_allowed_ones_are_connected_to(
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
class TestConnecting:
    @pytest.mark.parametrize(
        "host",
        [
            *("127.0.0.1", "localhost", "localhost.", "LOCALHOST", "127.1", "127.0.0.9"),
            *("0", "0.0.0.0", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "017700000001"),
            *("::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:0:0:1"),
        ],
    )
    async def test_to_this_machine_by_any_spelling(self, port: int, host: str) -> None:
        with pytest.raises(httpcore.ConnectError, match=r"not on the public internet|not known"):
            await PUBLIC.connect_tcp(host, port)

    async def test_to_a_name_for_this_machine(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names(monkeypatch, "127.0.0.1")
        with pytest.raises(OutOfReach):
            await PUBLIC.connect_tcp("hook.example", port)
        await (await OWN.connect_tcp("hook.example", port)).aclose()

    async def test_to_a_name_that_stands_for_something_else_by_now(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was looked up and allowed is what is connected to: no name is asked about twice."""
        asked: list[str] = []

        async def looked_up(_loop: Any, host: str, port: int, **_: Any) -> list[Any]:
            asked.append(host)
            address = "127.0.0.9" if len(asked) == 1 else "169.254.169.254"
            return [(0, 0, 0, "", (address, port))]

        connected: list[str] = []

        async def connect(_self: Any, host: str, *_: Any) -> None:
            connected.append(host)

        monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", looked_up)
        monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
        await OWN.connect_tcp("hook.example", port)
        assert (asked, connected) == (["hook.example"], ["127.0.0.9"])
        with pytest.raises(OutOfReach):
            await OWN.connect_tcp("hook.example", port)
        assert connected == ["127.0.0.9"]

    async def test_past_an_address_that_is_not_allowed_or_not_there(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names(monkeypatch, "192.168.1.1", "127.0.0.9", "127.0.0.1")
        await (await OWN.connect_tcp("hook.example", port)).aclose()

    async def test_to_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with pytest.raises(httpcore.ConnectError):
            await OWN.connect_tcp("127.0.0.1", port)
        names(monkeypatch)
        with pytest.raises(OutOfReach):
            await OWN.connect_tcp("hook.example", port)

    async def test_to_a_name_that_is_none(self) -> None:
        for host in ("nowhere.invalid", "x" * 300):
            with pytest.raises(httpcore.ConnectError, match="is not known"):
                await PUBLIC.connect_tcp(host, 443)

    async def test_to_a_socket_of_this_machine(self) -> None:
        with pytest.raises(OutOfReach):
            await OWN.connect_unix_socket("/var/run/docker.sock")

    async def test_waiting(self) -> None:
        await OWN.sleep(0)
