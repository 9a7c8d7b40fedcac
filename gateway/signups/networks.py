"""The network of a client's address for sign-ups: the /24 of IPv4, the /64 of IPv6. Pure."""

from ipaddress import IPv6Address, ip_address, ip_network

_IPV4_PREFIX, _IPV6_PREFIX = 24, 64


def signup_network(address: str) -> str:
    """Return the network of an address; a text that is no address is its own network."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ip_network((parsed, _IPV6_PREFIX), strict=False))
        parsed = parsed.ipv4_mapped
    return str(ip_network((parsed, _IPV4_PREFIX), strict=False))
