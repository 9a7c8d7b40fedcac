"""The network address and browser of a request, sanitized and comparable."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

_MAX_AGENT_LENGTH = 300
_VERSION_NUMBERS = re.compile(r"[\d.]+")


@dataclass(frozen=True, slots=True)
class ClientOrigin:
    """The client's network address and User-Agent header. Neither is trusted."""

    address: str
    agent: str

    @classmethod
    def from_request(cls, address: str | None, agent: str | None) -> "ClientOrigin":
        """Build from a request's values: truncated, without unprintable characters."""
        return cls(_printable(address)[:64], _printable(agent)[:_MAX_AGENT_LENGTH])

    @property
    def network(self) -> str:
        """The part of the address that identifies a client: the /64 of IPv6, all of IPv4."""
        try:
            address = ip_address(self.address.partition("%")[0])
        except ValueError:
            return self.address
        if isinstance(address, IPv6Address):
            if address.ipv4_mapped is None:
                return str(ip_network((address, 64), strict=False))
            address = address.ipv4_mapped
        return str(address)

    @property
    def browser(self) -> str:
        """The user agent without version numbers, which change with every update."""
        return _VERSION_NUMBERS.sub("", self.agent)


def _printable(text: str | None) -> str:
    """Return the text without unprintable characters; empty for None."""
    return "".join(letter for letter in text or "" if letter.isprintable())
