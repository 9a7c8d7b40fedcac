"""Parse a call's tags from the header `X-Maas-Tags: order=A-17,machine=M3`.

Values may be percent-encoded UTF-8, since HTTP headers are ASCII. The tags `variant` and
`variant_version` are set by the gateway only.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import unquote

from gateway.call.errors import ParameterInvalid

TAGS_HEADER = b"x-maas-tags"
# Set by the gateway: the account's variant that answered or was trained.
VARIANT_TAG = "variant"
# Set by the gateway: the number of the version of that variant which responded.
VERSION_TAG = "variant_version"
MAX_TAGS = 8
_MAX_HEADER_BYTES = 2_048
_MAX_VALUE_LENGTH = 128
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


def parse_tags(headers: Mapping[bytes, bytes]) -> Mapping[str, str] | None:
    """Return the call's tags by name. Returns None without tags. Raises ParameterInvalid."""
    header = headers.get(TAGS_HEADER)
    if not header:
        return None
    if len(header) > _MAX_HEADER_BYTES:
        raise _tags_error(f"X-Maas-Tags is longer than {_MAX_HEADER_BYTES} bytes.")
    pairs = [_parse_pair(part) for part in header.decode("latin-1").split(",") if part.strip()]
    tags = dict(pairs)
    if len(tags) < len(pairs) or len(tags) > MAX_TAGS:
        raise _tags_error(f"X-Maas-Tags can have up to {MAX_TAGS} tags, each name once.")
    return MappingProxyType(tags) if tags else None


def _parse_pair(part: str) -> tuple[str, str]:
    """Return the name and decoded value of one `name=value`. Raises ParameterInvalid."""
    name, separator, value = part.strip().partition("=")
    try:
        value = unquote(value.strip(), errors="strict")
    except UnicodeDecodeError:
        value = ""
    if not separator or _NAME.fullmatch(name) is None:
        raise _tags_error(
            "X-Maas-Tags must be comma-separated `name=value` pairs, for example "
            "`order=A-17,machine=M3`."
        )
    if name in (VARIANT_TAG, VERSION_TAG):
        raise _tags_error(
            f"The tag {name!r} is reserved: the gateway sets it to the model that served the call."
        )
    if not 0 < len(value) <= _MAX_VALUE_LENGTH or not value.isprintable():
        raise _tags_error(
            f"The value of the tag {name!r} must have 1 to {_MAX_VALUE_LENGTH} printable "
            "characters. Percent-encode (UTF-8) characters that are not ASCII."
        )
    return name, value


def _tags_error(message: str) -> ParameterInvalid:
    """Return the error for a malformed tags header."""
    return ParameterInvalid(message, param="X-Maas-Tags")
