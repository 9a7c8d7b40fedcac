"""Which addresses are one mailbox: mail providers ignore case, dots and what follows a plus sign.

Pure. The canonical form is only compared; mail goes to the address as it was entered.
"""

from collections.abc import Mapping
from types import MappingProxyType

# Other names of a provider's domain.
_SAME_DOMAIN: Mapping[str, str] = MappingProxyType(
    {
        "googlemail.com": "gmail.com",
        "protonmail.com": "proton.me",
        "pm.me": "proton.me",
        "ya.ru": "yandex.com",
        "yandex.ru": "yandex.com",
        "me.com": "icloud.com",
        "mac.com": "icloud.com",
    }
)
_DOTS_IGNORED = frozenset({"gmail.com", "proton.me"})
# What separates the name from a subaddress beside `+`, which all providers have in common. Names at
# NetEase and Yahoo have no hyphen.
_SEPARATORS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("163.com", "126.com", "yeah.net", "vip.163.com", "vip.126.com"), "-"),
        **dict.fromkeys(("yahoo.com", "yahoo.co.jp", "ymail.com"), "-"),
    }
)


def canonical_mailbox(email: str) -> str:
    """Return the mailbox of a normalized address: `l.i+x@googlemail.com` gives `li@gmail.com`."""
    name, _, domain = email.casefold().rpartition("@")
    domain = email_domain(email)
    domain = _SAME_DOMAIN.get(domain, domain)
    base = name
    for separator in f"+{_SEPARATORS.get(domain, '')}":
        base = base.partition(separator)[0]
    if domain in _DOTS_IGNORED:
        base = base.replace(".", "")
    return f"{base or name}@{domain}"


def email_domain(email: str) -> str:
    """Return the domain of an address in lower case, internationalized ones in Punycode."""
    domain = email.rpartition("@")[2].casefold().rstrip(".")
    try:
        return domain.encode("idna").decode()
    except UnicodeError:  # a label that is empty or too long: no mail arrives there
        return domain
