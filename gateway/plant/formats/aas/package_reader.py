"""Read AASX packages from unknown sources, within limits."""

import io
import posixpath
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from gateway.plant.formats.aas.package import ORIGIN_TYPE, SPEC_TYPE, SUPPLEMENT_TYPE
from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.results import FormatInvalid, FormatTooLarge
from infra.zip_errors import ZIP_ERRORS
from models.sentences import sentence

_TAG = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_DEPRECATED_HOST = "http://www.admin-shell.io/"
_MIN_RATIO_BYTES = 1 << 16
_ENCRYPTED = 0x1
_UNREADABLE: tuple[type[Exception], ...] = (*ZIP_ERRORS, struct.error, OverflowError)


@dataclass(frozen=True, slots=True)
class PackageContent:
    """The specifications (part name, bytes) of a package, and the names of supplementary files."""

    specifications: tuple[tuple[str, bytes], ...]
    supplements: tuple[str, ...]


def read_package(content: bytes, limits: FormatLimits) -> PackageContent:
    """Return the specifications that the package's relationships lead to.

    Raises FormatInvalid, FormatTooLarge.
    """
    limits.check_bytes(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            parts = _Parts(package, limits)
            origins = list(parts.targets("", ORIGIN_TYPE))
            specs = [part for origin in origins for part in parts.targets(origin, SPEC_TYPE)]
            read = tuple((part, parts.read(part)) for part in dict.fromkeys(specs))
            supplements = [part for spec in specs for part in parts.targets(spec, SUPPLEMENT_TYPE)]
    except FormatInvalid:
        raise
    except _UNREADABLE:
        raise FormatInvalid(sentence("The file is not a readable AASX package.")) from None
    if not read:
        raise FormatInvalid(sentence("The AASX package has no Asset Administration Shells."))
    return PackageContent(read, tuple(dict.fromkeys(supplements)))


class _Parts:
    """The parts of a package, which are checked before any of them is unpacked."""

    def __init__(self, package: zipfile.ZipFile, limits: FormatLimits) -> None:
        self._package = package
        self._limits = limits
        self._by_name: dict[str, zipfile.ZipInfo] = {}
        entries = package.infolist()
        if len(entries) > limits.max_parts:
            raise FormatTooLarge(
                sentence("The package has more than {most:,} parts.", most=limits.max_parts)
            )
        for entry in entries:
            self._add(entry)
        if sum(entry.file_size for entry in entries) > limits.max_bytes:
            raise FormatTooLarge(
                sentence(
                    "The package unpacks to more than {size} MiB.", size=limits.max_bytes >> 20
                )
            )

    def targets(self, source: str, kind: str) -> Iterator[str]:
        """Yield the parts that a part, or the package itself (""), is related to in this way."""
        folder, name = posixpath.split(source)
        relationships = posixpath.join(folder, "_rels", f"{name}.rels")
        if relationships.lower() not in self._by_name:
            return
        for element in _parse(self.read(relationships)).iter(_TAG):
            stated = element.get("Type", "").replace(_DEPRECATED_HOST, "http://admin-shell.io/")
            if stated == kind and element.get("TargetMode", "Internal") == "Internal":
                yield self._resolve(folder, element.get("Target", ""))

    def read(self, part: str) -> bytes:
        """Return the content of a part, at most as many bytes as its entry states."""
        entry = self._by_name.get(part.lower())
        if entry is None:
            raise FormatInvalid(sentence("The package has no part {name}.", name=repr(part[:100])))
        with self._package.open(entry) as stream:
            content = stream.read(entry.file_size + 1)
        if len(content) > entry.file_size:
            raise FormatTooLarge(sentence("A part of the package is larger than stated."))
        return content

    def _add(self, entry: zipfile.ZipInfo) -> None:
        """Check an entry and add it. Raises FormatInvalid, FormatTooLarge."""
        name = entry.filename
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise FormatInvalid(sentence("The package has a part with an unsafe name."))
        if name.lower() in self._by_name:
            raise FormatInvalid(sentence("The package has two parts with the same name."))
        if entry.flag_bits & _ENCRYPTED:
            raise FormatInvalid(sentence("The package is encrypted."))
        allowed = max(entry.compress_size, 1) * self._limits.max_ratio
        if entry.file_size > max(allowed, _MIN_RATIO_BYTES):
            raise FormatTooLarge(sentence("A part of the package is compressed too strongly."))
        self._by_name[name.lower()] = entry

    def _resolve(self, folder: str, target: str) -> str:
        """Return the name of the part that a relationship names. Raises FormatInvalid."""
        path = unquote(urlsplit(target).path)
        joined = posixpath.normpath(posixpath.join("/", folder, path))
        if not path or urlsplit(target).scheme or "\\" in path or "\0" in path:
            raise FormatInvalid(sentence("A relationship of the package has an invalid target."))
        return joined.lstrip("/")


def _parse(content: bytes):  # type: ignore[no-untyped-def]
    """Return the root of an XML part without document type. Raises FormatInvalid."""
    try:
        return fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise FormatInvalid(sentence("A part of the package is not valid XML.")) from None
