"""Limits of imported files."""

from dataclasses import dataclass

from gateway.plant.formats.results import FormatTooLarge

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class FormatLimits:
    """Limits of one file.

    `max_bytes` bounds the file and, for packages, all unpacked parts together. `max_elements`
    bounds triples, XML elements or submodel elements, `max_depth` their nesting. `max_ratio` bounds
    unpacked to packed bytes of a part, `max_parts` the parts of a package.
    """

    max_bytes: int = 64 * _MIB
    max_elements: int = 2_000_000
    max_depth: int = 64
    max_ratio: int = 200
    max_parts: int = 2_000

    def check_bytes(self, content: bytes) -> None:
        """Raise FormatTooLarge if the file is too large."""
        if len(content) > self.max_bytes:
            raise FormatTooLarge(f"The file is larger than {self.max_bytes // _MIB} MiB.")

    def check_elements(self, count: int) -> None:
        """Raise FormatTooLarge if there are too many elements."""
        if count > self.max_elements:
            raise FormatTooLarge(f"The file has more than {self.max_elements:,} elements.")

    def check_depth(self, depth: int) -> None:
        """Raise FormatTooLarge if elements are nested too deeply."""
        if depth > self.max_depth:
            raise FormatTooLarge(f"Elements are nested more than {self.max_depth} levels deep.")


DEFAULT_LIMITS = FormatLimits()
