"""Parse identifiers: national codes, Handles and GS1 Digital Link URIs, in one canonical form.

Equal items have one canonical text, so caches and records cannot hold the same item twice.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from stdnum import ean
from stdnum.exceptions import ValidationError

from gateway.plant.identifiers.errors import IdentifierInvalid
from gateway.plant.identifiers.prefixes import Prefix, Scheme, parse_prefix

MAX_LENGTH = 512
GS1_BASE = "https://id.gs1.org"
_ITEM = re.compile(r"[^\s/\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,254}[^\s\x00-\x1f\x7f])?")
# GS1 AI encodable character set 82, as used by batches (10) and serial numbers (21).
_GS1_VALUE = re.compile(r"[!\"%-?A-Z_a-z]{1,20}")
_GTIN = re.compile(r"[0-9]{8}|[0-9]{12,14}")
_QUALIFIERS = ("10", "21")
_URN_SGTIN = re.compile(r"urn:epc:id:sgtin:([0-9]{6,12})\.([0-9]{1,7})\.(.+)")


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier in canonical form. `prefix` is the longest prefix it can be delegated under."""

    text: str
    scheme: Scheme
    prefix: Prefix

    def is_under(self, prefix: Prefix) -> bool:
        """Return whether the identifier lies under a delegated prefix."""
        return prefix.contains(self.prefix)


def parse_identifier(text: str) -> Identifier:
    """Parse an identifier in any supported syntax. Raises IdentifierInvalid.

    Syntaxes: `88.100.5001/ITEM` and `20.500.12345/ITEM`, also after `hdl:` or as a URL of a
    Handle proxy; GS1 Digital Link URIs with a GTIN (01), optionally batch (10) and serial number
    (21); the EPC URN of a serialised GTIN.
    """
    if not 0 < len(text) <= MAX_LENGTH:
        raise _invalid(f"An identifier has 1 to {MAX_LENGTH} characters")
    if text.startswith("urn:epc:"):
        return _parse_urn(text)
    if text.startswith(("https://", "http://")):
        return _parse_url(text)
    return _parse_dotted(text.removeprefix("hdl:"))


def _parse_dotted(text: str) -> Identifier:
    """Parse `<labels>/<item>`; labels compare without case, as in the Handle System."""
    head, slash, item = text.partition("/")
    if not slash or not _ITEM.fullmatch(item):
        raise _invalid("After the prefix there must be `/` and an item code of 1 to 256 characters")
    prefix = parse_prefix(head.upper())
    if prefix.scheme is Scheme.GS1 or "." not in prefix.text:
        raise _invalid("The prefix must have at least two labels, such as `88.100`")
    return Identifier(f"{prefix.text}/{item}", prefix.scheme, prefix)


def _parse_url(text: str) -> Identifier:
    """Parse a Digital Link URI, or the URL of a Handle proxy."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _invalid("The URI is malformed") from None
    if parts.fragment or not parts.hostname:
        raise _invalid("The URI must have a host and no fragment")
    segments = [unquote(one, errors="strict") for one in _segments(parts.path)]
    if parts.hostname in ("hdl.handle.net", "doi.org"):
        return _parse_dotted("/".join(segments))
    if "01" not in segments:
        raise _invalid("A GS1 Digital Link URI must have `/01/` and a GTIN")
    return _digital_link(segments[segments.index("01") :])


def _segments(path: str) -> list[str]:
    """Return the segments of a path. Raises IdentifierInvalid for broken percent encoding."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", path):
        raise _invalid("The URI has a broken percent encoding")
    return path.strip("/").split("/")


def _digital_link(segments: list[str]) -> Identifier:
    """Build the identifier of the segments `01`, GTIN and qualifiers in their order."""
    if len(segments) % 2:
        raise _invalid("Each GS1 key needs a value")
    pairs = list(zip(segments[::2], segments[1::2], strict=True))
    keys = [key for key, _ in pairs[1:]]
    if keys != [key for key in _QUALIFIERS if key in keys]:
        raise _invalid("After the GTIN only batch (10) and serial number (21) are supported")
    if any(not _GS1_VALUE.fullmatch(value) for _, value in pairs[1:]):
        raise _invalid("Batches and serial numbers have 1 to 20 characters of GS1's set 82")
    gtin = _gtin14(pairs[0][1])
    tail = "".join(f"/{key}/{quote(value, safe='')}" for key, value in pairs[1:])
    return Identifier(f"{GS1_BASE}/01/{gtin}{tail}", Scheme.GS1, Prefix(f"gs1.{gtin[1:13]}"))


def _parse_urn(text: str) -> Identifier:
    """Parse `urn:epc:id:sgtin:<company>.<indicator and item>.<serial>`."""
    match = _URN_SGTIN.fullmatch(text)
    if match is None or len(match[1]) + len(match[2]) != 13:
        raise _invalid("Of EPC URNs only `urn:epc:id:sgtin:` is supported")
    body = f"{match[2][0]}{match[1]}{match[2][1:]}"
    gtin = f"{body}{ean.calc_check_digit(body)}"
    return _digital_link(["01", gtin, "21", unquote(match[3])])


def _gtin14(text: str) -> str:
    """Return a GTIN-8, -12, -13 or -14 with 14 digits. Raises IdentifierInvalid."""
    if not _GTIN.fullmatch(text):
        raise _invalid("A GTIN has 8, 12, 13 or 14 digits")
    try:
        ean.validate(text)
    except ValidationError:
        raise _invalid("The check digit of the GTIN is wrong") from None
    return text.zfill(14)


def _invalid(message: str) -> IdentifierInvalid:
    """Return the error for an identifier."""
    return IdentifierInvalid(f"{message}.", param="id")
