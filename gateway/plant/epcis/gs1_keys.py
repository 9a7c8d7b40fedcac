"""EPC URNs as GS1 Digital Link URIs in canonical form, for hashes and for comparing items."""

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, unquote

_BASE = "https://id.gs1.org"
_CODE = re.compile(r"[0-9]+(\.[0-9A-Za-z]+)+/.+")
_URN = re.compile(r"urn:epc:(id|class|idpat):([a-z]+):(.+)")


def digital_link(epc: str) -> str:
    """Return the Digital Link of an EPC URN; other URIs, and unsupported URNs, unchanged."""
    match = _URN.fullmatch(epc)
    if match is None:
        return epc
    kind, scheme, tail = match.groups()
    if kind == "idpat":
        if not tail.endswith(".*") or "*" in tail[:-2]:
            return epc
        tail = tail[:-2]
        scheme = f"pattern-{scheme}"
    convert = _CONVERTERS.get(scheme)
    parts = tail.split(".")
    if convert is None or not all(part.isdigit() for part in parts[:2]):
        return epc
    path = convert(parts)
    return epc if path is None else f"{_BASE}/{path}"


def item_uri(text: str) -> str:
    """Return the canonical URI of an item: `hdl:` and the code for national codes and Handles."""
    return f"hdl:{text}" if _CODE.fullmatch(text) else digital_link(text)


def _gtin(parts: Sequence[str]) -> str:
    """Return the GTIN-14 of company prefix and (indicator, item reference)."""
    body = f"{parts[1][0]}{parts[0]}{parts[1][1:]}"
    return f"{body}{_check_digit(body)}"


def _sgtin(parts: Sequence[str]) -> str | None:
    return f"01/{_gtin(parts)}/21/{_value(parts[2:])}" if len(parts) >= 3 else None


def _lgtin(parts: Sequence[str]) -> str | None:
    return f"01/{_gtin(parts)}/10/{_value(parts[2:])}" if len(parts) >= 3 else None


def _gtin_only(parts: Sequence[str]) -> str | None:
    return f"01/{_gtin(parts)}" if len(parts) == 2 else None


def _sscc(parts: Sequence[str]) -> str | None:
    if len(parts) != 2:
        return None
    body = f"{parts[1][0]}{parts[0]}{parts[1][1:]}"
    return f"00/{body}{_check_digit(body)}"


def _sgln(parts: Sequence[str]) -> str | None:
    if len(parts) < 3:
        return None
    body = f"{parts[0]}{parts[1]}"
    extension = _value(parts[2:])
    tail = "" if extension == "0" else f"/254/{extension}"
    return f"414/{body}{_check_digit(body)}{tail}"


def _grai(parts: Sequence[str]) -> str | None:
    if len(parts) < 3:
        return None
    body = f"{parts[0]}{parts[1]}"
    return f"8003/0{body}{_check_digit(body)}{_value(parts[2:])}"


def _giai(parts: Sequence[str]) -> str | None:
    return f"8004/{parts[0]}{_value(parts[1:])}" if len(parts) >= 2 else None


_CONVERTERS: Mapping[str, Callable[[Sequence[str]], str | None]] = {
    "sgtin": _sgtin,
    "lgtin": _lgtin,
    "sscc": _sscc,
    "sgln": _sgln,
    "grai": _grai,
    "giai": _giai,
    "pattern-sgtin": _gtin_only,
}


def _value(parts: Sequence[str]) -> str:
    """Return a serial number in a URI path."""
    return quote(unquote(".".join(parts)), safe="!'()*:;=_,-.")


def _check_digit(body: str) -> int:
    """Return the check digit (mod 10, weights 3 and 1 from the right)."""
    total = sum(int(digit) * (3, 1)[index % 2] for index, digit in enumerate(reversed(body)))
    return -total % 10
