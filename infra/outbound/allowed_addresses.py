"""Reach: which addresses may be connected to for an address that somebody else chose.

A webhook's address is a customer's, and its host name may be of anything: of this machine, of the
database, of a cloud's metadata. So what a name stands for is looked up once, and only an address
that passed is connected to. `check` says the same of a name beforehand, without connecting.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpcore

from infra.outbound.resolver import Address, Resolver

Network = IPv4Network | IPv6Network
# Raises OSError (socket.gaierror, TimeoutError) or ValueError, as Resolver does.
Resolve = Callable[[str], Awaitable[list[Address]]]
# The name does not exist, or has no address. Any other error says that DNS is not available.
_NO_NAME = (socket.EAI_NONAME, socket.EAI_NODATA)
# Whatever comes after it is an IPv4 address, and the way to it a gateway of the local network.
_NAT64 = IPv6Network("64:ff9b::/96")
# Outside it there are ways to an IPv4 address that Python holds for global, as ::127.0.0.1.
_UNICAST = IPv6Network("2000::/3")
# For protocols' own use, of which Python knows a part; a cloud's metadata is in it.
_PROTOCOLS = IPv4Network("192.0.0.0/24")


class OutOfReach(httpcore.ConnectError):
    """None of a name's addresses is on the public internet or in a network that was allowed."""


class NameStatus(Enum):
    """What a lookup says of a host name at the moment. Every delivery looks it up again."""

    ALLOWED = "allowed"  # at least one address may be connected to
    PRIVATE = "private"  # it has addresses, but none that may be
    NOT_FOUND = "not_found"  # it does not exist, or has no address
    UNAVAILABLE = "unavailable"  # DNS did not answer in time, or failed


class Reach(httpcore.AsyncNetworkBackend):
    """Connects to the public internet, and to private networks that the operator names."""

    def __init__(self, networks: Sequence[Network] = (), resolve: Resolve | None = None) -> None:
        self._networks = tuple(networks)
        self._resolve = resolve or Resolver()
        self._backend = httpcore.AnyIOBackend()

    @property
    def private(self) -> bool:
        """Whether the operator allows any network beside the public internet."""
        return bool(self._networks)

    def allows(self, address: Address) -> bool:
        """Whether this address may be connected to."""
        plain = _within(address)
        if any(plain in network for network in self._networks):
            return True
        if plain in _PROTOCOLS or (isinstance(plain, IPv6Address) and plain not in _UNICAST):
            return False
        return plain.is_global and not plain.is_multicast

    async def check(self, host: str) -> NameStatus:
        """Look up a host name without connecting to it."""
        try:
            addresses = await self._resolve(host)
        except ValueError:
            return NameStatus.NOT_FOUND
        except OSError as error:
            missing = isinstance(error, socket.gaierror) and error.errno in _NO_NAME
            return NameStatus.NOT_FOUND if missing else NameStatus.UNAVAILABLE
        allowed = any(self.allows(address) for address in addresses)
        return NameStatus.ALLOWED if allowed else NameStatus.PRIVATE

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the interface is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that may be and answers. Raises OutOfReach and what
        httpcore does."""
        failed: Exception = OutOfReach(f"{host} is not on the public internet")
        for address in await _addresses(host, port):
            if self.allows(address):
                try:
                    return await self._backend.connect_tcp(
                        str(address), port, timeout, local_address, socket_options
                    )
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    failed = error
        raise failed

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  # the interface is httpcore's
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise OutOfReach(f"{path} is a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


async def _addresses(host: str, port: int) -> list[Address]:
    """What a name stands for. Raises httpcore.ConnectError."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} is not known") from error
    return [ip_address(place[0]) for *_, place in found]


def _within(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
