"""A fake resolver of host names below `.example`, which do not exist in real DNS.

`missing`, `empty`, `away` and `broken` are DNS's answers; `inside`, `mixed` and all others have
addresses. Nothing is asked of a real DNS server.
"""

import socket
from collections.abc import Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

import pytest

from infra.outbound.resolver import Address

PUBLIC = "8.8.8.8"
ADDRESSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"inside": ("10.1.2.3", "fd00::7"), "mixed": ("10.1.2.3", PUBLIC)}
)
ERRORS: Mapping[str, int] = MappingProxyType(
    {
        "missing": socket.EAI_NONAME,
        "empty": socket.EAI_NODATA,
        "away": socket.EAI_AGAIN,
        "broken": socket.EAI_FAIL,
    }
)


def addresses_of(host: str) -> tuple[str, ...]:
    """The addresses of a name. Raises socket.gaierror like getaddrinfo."""
    first, _, rest = host.rstrip(".").partition(".")
    error = ERRORS.get(first) if rest.endswith("example") else socket.EAI_NONAME
    if error is not None:
        raise socket.gaierror(error, f"{host} has this error in tests")
    return ADDRESSES.get(first, (PUBLIC,))


async def resolve(host: str) -> list[Address]:
    """A resolver function for AllowedAddresses."""
    return [ip_address(one) for one in addresses_of(host)]


def answer_lookups(patched: pytest.MonkeyPatch) -> None:
    """Patch `socket.getaddrinfo` of this process for these names, for commands."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **values: Any) -> list[Any]:
        if not str(host).endswith("example"):
            return real(host, port, *args, **values)
        return [(0, 0, 0, "", (address, port)) for address in addresses_of(host)]

    patched.setattr(socket, "getaddrinfo", getaddrinfo)
