"""SSRF protection: an httpcore network backend that only connects to allowed addresses.

A webhook's host name is chosen by a customer and may resolve to this machine, the database or a
cloud's metadata service. The name is resolved once and only an address that was checked is
connected to. `check` makes the same check of a name without connecting.

Names are resolved in separate threads: those whose name server does not answer delay no look-up of
a model server or the database. One customer's names can occupy all threads of an instance. Until
one look-up ends, other customers' connections wait and then fail as if their name were not known;
notifications are sent again.
"""

import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import httpcore

from infra.outbound.resolver import Address, Resolver

Network = IPv4Network | IPv6Network
# A resolver function. Raises OSError (socket.gaierror, TimeoutError) or ValueError, as Resolver.
Resolve = Callable[[str], Awaitable[list[Address]]]
# The end of an error's text if a name could not be resolved.
NAME_NOT_KNOWN = "is not known"
# Look-ups to connect: the longest time of one in seconds, and how many run at a time.
_CONNECT_LOOKUP_S, _CONNECT_LOOKUPS = 5.0, 16
# The name does not exist or has no address. Any other error means that DNS is not available.
_NAME_NOT_FOUND_ERRNOS = (socket.EAI_NONAME, socket.EAI_NODATA)
# NAT64 (RFC 6052): the prefix is followed by an IPv4 address.
_NAT64 = IPv6Network("64:ff9b::/96")
# Addresses outside of it can embed IPv4 addresses and count as global in Python (::127.0.0.1).
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Reserved for protocols (RFC 6890), of which Python knows a part; some clouds' metadata is in it.
_IETF_PROTOCOL_ASSIGNMENTS = IPv4Network("192.0.0.0/24")


class OutOfReach(httpcore.ConnectError):
    """None of a host's addresses is on the public internet or in an allowed private network."""


class NameStatus(Enum):
    """Result of resolving a host name now. Every delivery resolves it again."""

    ALLOWED = "allowed"  # at least one allowed address
    PRIVATE = "private"  # it has addresses, but no allowed one
    NOT_FOUND = "not_found"  # it does not exist or has no address
    UNAVAILABLE = "unavailable"  # DNS did not answer in time, or failed


class AllowedAddresses(httpcore.AsyncNetworkBackend):
    """A network backend that connects only to the public internet and configured networks.

    `resolve` looks names up for `check`, and `resolve_to_connect` for connections: these may wait
    longer, and must not delay the answers of `check`.
    """

    def __init__(
        self,
        networks: Sequence[Network] = (),
        resolve: Resolve | None = None,
        resolve_to_connect: Resolve | None = None,
    ) -> None:
        self._networks = tuple(networks)
        self._resolve = resolve or Resolver()
        self._resolve_to_connect = resolve_to_connect or Resolver(
            _CONNECT_LOOKUP_S, _CONNECT_LOOKUPS
        )
        self._backend = httpcore.AnyIOBackend()

    @property
    def has_private_networks(self) -> bool:
        """Whether the operator allows any private network."""
        return bool(self._networks)

    def allows(self, address: Address) -> bool:
        """Return whether connections to an address are allowed."""
        embedded = _embedded_ipv4(address)
        if any(embedded in network for network in self._networks):
            return True
        if embedded in _IETF_PROTOCOL_ASSIGNMENTS or (
            isinstance(embedded, IPv6Address) and embedded not in _GLOBAL_UNICAST
        ):
            return False
        return embedded.is_global and not embedded.is_multicast

    async def check(self, host: str) -> NameStatus:
        """Return whether a host name exists and has an allowed address; makes no connection."""
        try:
            addresses = await self._resolve(host)
        except ValueError:
            return NameStatus.NOT_FOUND
        except OSError as error:
            missing = isinstance(error, socket.gaierror) and error.errno in _NAME_NOT_FOUND_ERRNOS
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
        """Connect to the first allowed address that answers.

        Raises OutOfReach, and httpcore's errors: ConnectError with a text that ends in
        NAME_NOT_KNOWN if the name has no address, or DNS did not answer in time.
        """
        last_error: Exception = OutOfReach(f"{host} is not on the public internet")
        for address in await self._addresses_of(host):
            if self.allows(address):
                try:
                    return await self._backend.connect_tcp(
                        str(address), port, timeout, local_address, socket_options
                    )
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    last_error = error
        raise last_error

    async def _addresses_of(self, host: str) -> list[Address]:
        """Return the addresses of a host to connect to. Raises httpcore.ConnectError."""
        try:
            return await self._resolve_to_connect(host)
        except (OSError, ValueError) as error:
            raise httpcore.ConnectError(f"{host} {NAME_NOT_KNOWN}") from error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  # the interface is httpcore's
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse Unix sockets. Raises OutOfReach."""
        raise OutOfReach(f"{path} is a Unix socket, which is not allowed")

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`; httpcore calls this before it retries a connection."""
        await self._backend.sleep(seconds)


def _embedded_ipv4(address: Address) -> Address:
    """Return the IPv4 address embedded in an IPv6 address, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
