"""Parse AAS environments from JSON, XML and AASX, one submodel at a time.

A plant of 100,000 points is an environment of six million values, which as objects of the metamodel
need two gigabytes. Therefore shells and concept descriptions are read first, as the `head` of a
document, and then each submodel by itself.
"""

from collections.abc import Iterator
from typing import Protocol

import aas_core3.types as aas

from gateway.plant.formats.aas.json_document import JsonDocument
from gateway.plant.formats.aas.package_reader import read_package
from gateway.plant.formats.aas.xml_document import XmlDocument
from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.results import FormatInvalid, NoteCode, NoteCollector
from models.sentences import sentence

_ZIP = b"PK"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class AasDocument(Protocol):
    """An environment of which the submodels are read one by one."""

    @property
    def head(self) -> aas.Environment:
        """The environment without its submodels."""
        ...

    def submodels(self) -> Iterator[aas.Submodel]:
        """Yield the submodels in the order of the file. Raises FormatInvalid, FormatTooLarge."""
        ...


def read_documents(content: bytes, limits: FormatLimits, notes: NoteCollector) -> list[AasDocument]:
    """Return the documents of a file, whose format its first bytes show, with their heads read.

    Supplementary files of packages are noted. Raises FormatInvalid, FormatTooLarge.
    """
    limits.check_bytes(content)
    if not content.startswith(_ZIP):
        return [_document(content, limits)]
    package = read_package(content, limits)
    for name in package.supplements:
        notes.add(NoteCode.ELEMENT_SKIPPED, name)
    return [_document(part, limits) for _, part in package.specifications]


def _document(content: bytes, limits: FormatLimits) -> AasDocument:
    """Return the document of JSON or XML."""
    text = content.removeprefix(_BYTE_ORDER_MARK).lstrip()
    try:
        return XmlDocument(text, limits) if text[:1] == b"<" else JsonDocument(text, limits)
    except RecursionError:
        raise FormatInvalid(sentence("The elements of the file are nested too deeply.")) from None
