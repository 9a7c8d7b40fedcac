"""Values of variables: texts, engineering units and ranges."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from gateway.plant.formats.nodeset.terms import TYPES
from gateway.plant.formats.numbers import read_number
from gateway.plant.formats.units import from_text, from_unece

_TAG = f"{{{TYPES}}}"


@dataclass(frozen=True, slots=True)
class UaValue:
    """What a plant model takes from a value.

    `text` is that of a scalar, `unit` that of an EUInformation, `low` and `high` those of a Range.
    """

    text: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None


NO_VALUE = UaValue()


def read_value(value: Element) -> UaValue:
    """Return a value, without anything of arrays and of other structures."""
    if not len(value) or value.tag == f"{_TAG}LocalizedText":
        text = _text_of(value)
        return UaValue(text) if text else NO_VALUE
    unit = _unit_of(value)
    low, high = _range_of(value)
    return NO_VALUE if not unit and low is high is None else UaValue("", unit, low, high)


def _text_of(value: Element) -> str:
    """Return a scalar value as text."""
    if value.tag == f"{_TAG}LocalizedText":
        return (value.findtext(f"{_TAG}Text") or "").strip()
    return (value.text or "").strip()


def _unit_of(value: Element) -> str:
    """Return the unit of an EUInformation: by its UNECE code, or by its display name."""
    body = _find(value, "EUInformation")
    if body is None:
        return ""
    number = (body.findtext(f"{_TAG}UnitId") or "").strip()
    known = from_unece(_common_code(int(number))) if number.isascii() and number.isdigit() else ""
    return known or from_text(body.findtext(f"{_TAG}DisplayName/{_TAG}Text") or "")


def _range_of(value: Element) -> tuple[float | None, float | None]:
    """Return the bounds of a Range."""
    body = _find(value, "Range")
    if body is None:
        return None, None
    low, high = (body.findtext(f"{_TAG}{name}") or "" for name in ("Low", "High"))
    return read_number(low), read_number(high)


def unit_id(code: str) -> int:
    """Return OPC UA's number of a UNECE common code: its characters as bytes."""
    return int.from_bytes(code.encode("ascii"), "big")


def _common_code(number: int) -> str:
    """Return the UNECE common code of OPC UA's number, or an empty text."""
    if not 0 < number < 1 << 32:
        return ""
    return number.to_bytes(4, "big").lstrip(b"\0").decode("ascii", "replace")


def _find(value: Element, name: str) -> Element | None:
    """Return the structure of a name in an ExtensionObject, or the value itself."""
    return value if value.tag == f"{_TAG}{name}" else value.find(f".//{_TAG}{name}")
