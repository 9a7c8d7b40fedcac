"""Tags: what a call was for, as the customer says in `X-Maas-Tags: order=A-17,machine=M3`.

Owns the header's form and its bounds, and the one tag that is the gateway's own. Values may be
percent-encoded UTF-8, since a header holds no Chinese. Pure.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import unquote

from gateway.call.errors import ParameterInvalid

HEADER = b"x-maas-tags"
# The customer's own fine-tuned model that answered, or was learned: told by the gateway.
VARIANT = "variant"
MOST_TAGS = 8
_MOST_BYTES = 2_048
_MOST_VALUE = 128
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


def tags_of(headers: Mapping[bytes, bytes]) -> Mapping[str, str] | None:
    """The call's tags, by name; None where it has none. Raises ParameterInvalid."""
    said = headers.get(HEADER)
    if not said:
        return None
    if len(said) > _MOST_BYTES:
        raise _invalid(f"X-Maas-Tags is longer than {_MOST_BYTES} bytes.")
    pairs = [_pair(part) for part in said.decode("latin-1").split(",") if part.strip()]
    tags = dict(pairs)
    if len(tags) < len(pairs) or len(tags) > MOST_TAGS:
        raise _invalid(f"X-Maas-Tags has up to {MOST_TAGS} tags, each once.")
    return MappingProxyType(tags) if tags else None


def _pair(part: str) -> tuple[str, str]:
    name, sign, value = part.strip().partition("=")
    try:
        value = unquote(value.strip(), errors="strict")
    except UnicodeDecodeError:
        value = ""
    if not sign or _NAME.fullmatch(name) is None:
        raise _invalid("X-Maas-Tags is `name=value` pairs with commas between, as `order=A-17`.")
    if name == VARIANT:
        raise _invalid(f"The tag {VARIANT!r} is given by the gateway: the model that answered.")
    if not 0 < len(value) <= _MOST_VALUE or not value.isprintable():
        raise _invalid(
            f"The tag {name!r} has a value of 1 to {_MOST_VALUE} printable characters, other than "
            "ASCII percent-encoded in UTF-8."
        )
    return name, value


def _invalid(message: str) -> ParameterInvalid:
    return ParameterInvalid(message, param="X-Maas-Tags")
