"""Parse AAS environments from JSON, XML and AASX."""

import io
import json
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import aas_core3.jsonization as jsonization
import aas_core3.types as aas
import aas_core3.xmlization as xmlization
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from gateway.plant.formats.aas.package_reader import read_package
from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.results import FormatInvalid, NoteCode, NoteCollector
from models.sentences import sentence

_ZIP = b"PK"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_environments(
    content: bytes, limits: FormatLimits, notes: NoteCollector
) -> list[aas.Environment]:
    """Return the environments of a file, whose format its first bytes show.

    Supplementary files of packages are noted. Raises FormatInvalid, FormatTooLarge.
    """
    limits.check_bytes(content)
    try:
        if not content.startswith(_ZIP):
            return [_read_document(content, limits)]
        package = read_package(content, limits)
        for name in package.supplements:
            notes.add(NoteCode.ELEMENT_SKIPPED, name)
        return [_read_document(part, limits) for _, part in package.specifications]
    except RecursionError:
        raise FormatInvalid(sentence("The elements of the file are nested too deeply.")) from None


def _read_document(content: bytes, limits: FormatLimits) -> aas.Environment:
    """Return the environment of a JSON or XML document."""
    text = content.removeprefix(_BYTE_ORDER_MARK).lstrip()
    return _read_xml(text, limits) if text[:1] == b"<" else _read_json(text, limits)


def _read_json(content: bytes, limits: FormatLimits) -> aas.Environment:
    """Return the environment of a JSON document."""
    # Before parsing: a short file can have so many values that they need much memory.
    limits.check_elements(sum(content.count(sign) for sign in (b",", b"{", b"[")))
    try:
        data = json.loads(content)
    except ValueError:
        raise FormatInvalid(sentence("The file is not valid JSON in UTF-8.")) from None
    _check_json(data, limits)
    try:
        return jsonization.environment_from_jsonable(data)
    except jsonization.DeserializationException as error:
        place = str(error.path).strip(".")[:200]
        raise FormatInvalid(
            sentence(
                "The file is not valid for the AAS metamodel 3.0, at {place}: {reason}",
                place=place,
                reason=error.cause[:200],
            )
        ) from None


def _check_json(data: Any, limits: FormatLimits) -> None:
    """Raise FormatTooLarge for too many or too deeply nested values."""
    pending, count = [(data, 0)], 0
    while pending:
        value, depth = pending.pop()
        count += 1
        limits.check_depth(depth)
        limits.check_elements(count)
        if isinstance(value, dict):
            pending.extend((child, depth + 1) for child in value.values())
        elif isinstance(value, list):
            pending.extend((child, depth + 1) for child in value)


def _read_xml(content: bytes, limits: FormatLimits) -> aas.Environment:
    """Return the environment of an XML document without document type."""
    events = iterparse(io.BytesIO(content), events=("start", "end"), forbid_dtd=True)
    try:
        return xmlization.environment_from_iterparse(_limited(events, limits))
    except xmlization.DeserializationException as error:
        place = str(error.path)[:200]
        raise FormatInvalid(
            sentence(
                "The file is not valid for the AAS metamodel 3.0, at {place}: {reason}",
                place=place,
                reason=error.cause[:200],
            )
        ) from None
    except (ParseError, DefusedXmlException, LookupError):
        raise FormatInvalid(
            sentence("The file is not valid XML, or has a document type.")
        ) from None


def _limited(
    events: Iterator[tuple[str, Element]], limits: FormatLimits
) -> Iterator[tuple[str, Element]]:
    """Yield the events of a parser as long as number and depth of elements are allowed."""
    depth = count = 0
    for event, element in events:
        if event == "start":
            depth, count = depth + 1, count + 1
            limits.check_depth(depth)
            limits.check_elements(count)
        else:
            depth -= 1
        yield event, element
