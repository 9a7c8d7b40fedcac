"""Limits of imported files."""

from dataclasses import dataclass

from gateway.plant.formats.results import FormatTooLarge
from models.sentences import sentence

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class FormatLimits:
    """Limits of one file.

    A plant of 100,000 points has 186 MiB and 3.9 million elements as a NodeSet, 120 MiB and 5.9
    million values as AAS JSON.

    `max_bytes` bounds the file and, for packages, all unpacked parts together. `max_elements`
    bounds triples, XML elements or JSON values, `max_depth` their nesting. `max_ratio` bounds
    unpacked to packed bytes of a part, `max_parts` the parts of a package.
    """

    max_bytes: int = 256 * _MIB
    max_elements: int = 8_000_000
    max_depth: int = 64
    max_ratio: int = 200
    max_parts: int = 2_000

    def check_bytes(self, content: bytes) -> None:
        """Raise FormatTooLarge if the file is too large."""
        if len(content) > self.max_bytes:
            raise FormatTooLarge(
                sentence("The file is larger than {size} MiB.", size=self.max_bytes // _MIB)
            )

    def check_elements(self, count: int) -> None:
        """Raise FormatTooLarge if there are too many elements."""
        if count > self.max_elements:
            raise FormatTooLarge(
                sentence("The file has more than {most:,} elements.", most=self.max_elements)
            )

    def check_depth(self, depth: int) -> None:
        """Raise FormatTooLarge if elements are nested too deeply."""
        if depth > self.max_depth:
            raise FormatTooLarge(
                sentence("Elements are nested more than {most} levels deep.", most=self.max_depth)
            )


DEFAULT_LIMITS = FormatLimits()
