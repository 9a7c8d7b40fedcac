"""Prefixes: which part of an identifier is delegated, and which prefix contains which."""

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.plant.identifiers.errors import IdentifierInvalid

MAX_LABELS = 8
_DOTTED = re.compile(r"[0-9]{1,12}(\.[0-9A-Za-z]{1,32}){0,7}")
_GS1 = re.compile(r"gs1(\.[0-9]{4,12})?")


class Scheme(StrEnum):
    """Identifier systems whose codes can be resolved."""

    NATIONAL = "national"  # 88.<root>.<node>/<item>
    HANDLE = "handle"  # 20.500.<prefix>/<item>
    GS1 = "gs1"  # GS1 Digital Link


@dataclass(frozen=True, slots=True)
class Prefix:
    """A delegated prefix: dotted labels (`88.100.5001`), or `gs1.` and a GS1 company prefix."""

    text: str

    @property
    def scheme(self) -> Scheme:
        """The identifier system of the prefix."""
        if self.text.startswith("gs1"):
            return Scheme.GS1
        return Scheme.NATIONAL if self.text.split(".", 1)[0] == "88" else Scheme.HANDLE

    def contains(self, other: "Prefix") -> bool:
        """Return whether `other` is this prefix or lies below it.

        Labels are compared whole: `88.10` does not contain `88.100`. GS1 company prefixes are
        compared digit by digit, as they have no separators.
        """
        if self.text == other.text or other.text.startswith(f"{self.text}."):
            return True
        is_gs1 = self.scheme is Scheme.GS1 and self.text != "gs1"
        return is_gs1 and other.text.startswith(self.text)

    def overlaps(self, other: "Prefix") -> bool:
        """Return whether one of the two prefixes contains the other."""
        return self.contains(other) or other.contains(self)

    def ancestors(self) -> tuple["Prefix", ...]:
        """Return this prefix and all that contain it, most specific first."""
        if self.scheme is Scheme.GS1:
            digits = self.text.partition(".")[2]
            lengths = range(len(digits), 3, -1)
            return (*(Prefix(f"gs1.{digits[:length]}") for length in lengths), Prefix("gs1"))
        labels = self.text.split(".")
        return tuple(Prefix(".".join(labels[:count])) for count in range(len(labels), 0, -1))


def parse_prefix(text: str) -> Prefix:
    """Parse a prefix. Raises IdentifierInvalid."""
    if _DOTTED.fullmatch(text) or _GS1.fullmatch(text):
        return Prefix(text)
    raise IdentifierInvalid(
        "A prefix is dotted labels such as `88.100.5001`, at most 8, or `gs1.` and the 4 to 12 "
        "digits of a GS1 company prefix.",
        param="prefix",
    )
