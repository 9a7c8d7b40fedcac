"""Where somebody is: the network address and the browser that a request comes from.

Owns cutting both to size and telling whether two are the same place.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

_LONGEST = 300
_VERSIONS = re.compile(r"[\d.]+")


@dataclass(frozen=True, slots=True)
class Place:
    """`address` of the client, `agent` as its browser calls itself; neither is trusted."""

    address: str
    agent: str

    @classmethod
    def of(cls, address: str | None, agent: str | None) -> "Place":
        """Cut, and without what cannot be shown or kept."""
        return cls(_plain(address)[:64], _plain(agent)[:_LONGEST])

    @property
    def network(self) -> str:
        """What is counted and compared of the address: of IPv6 the /64, which one client has whole,
        of IPv4 all."""
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
        """The agent without versions, which change by themselves."""
        return _VERSIONS.sub("", self.agent)


def _plain(text: str | None) -> str:
    return "".join(letter for letter in text or "" if letter.isprintable())
