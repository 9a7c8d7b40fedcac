"""Problems found in catalog files, and the error that lists them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from infra.errors import AppError

_MAX_LISTED = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in a catalog file; `entry` and `field` are empty where it concerns the whole."""

    file: str
    message: str
    entry: str = ""
    field: str = ""

    @property
    def text(self) -> str:
        """Return the problem as one line: file, entry, field, what is wrong and what is allowed."""
        place = f"The catalog {self.file}" + (f": {self.entry}" if self.entry else "")
        return f"{place} is not valid: " + (f"`{self.field}` " if self.field else "") + self.message


class CatalogInvalid(AppError):
    """The catalog files cannot be read or have invalid entries; `problems` lists them all."""

    code = "catalog_invalid"

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def of(cls, problems: Collection[Problem]) -> "CatalogInvalid":
        """Return the error for problems; its message lists the first of them."""
        lines = [problem.text for problem in problems][:_MAX_LISTED]
        if len(problems) > _MAX_LISTED:
            lines.append(f"{len(problems) - _MAX_LISTED} more: run `maas models check`.")
        return cls("\n".join(lines), problems)


@dataclass(slots=True)
class ProblemList:
    """Collects the problems of all files, so that one check reports all of them."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, file: str, message: str, entry: str = "", field: str = "") -> None:
        """Add a problem."""
        self.problems.append(Problem(file, message, entry, field))

    def raise_if_any(self) -> None:
        """Raise CatalogInvalid with all problems, if there are any."""
        if self.problems:
            raise CatalogInvalid.of(self.problems)


def advice(name: str, allowed: Iterable[str]) -> str:
    """Return the nearest allowed name, if one is near, and all allowed names as sentences."""
    names = sorted(allowed)
    nearest = get_close_matches(name, names, 1)
    hint = f"Did you mean `{nearest[0]}`? " if nearest else ""
    return f"{hint}Allowed: {', '.join(names)}."
