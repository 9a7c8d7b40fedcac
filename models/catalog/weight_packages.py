"""Python packages whose data files are the parts of one file of weights: `name{1..22}==0.2.0`."""

import re
from dataclasses import dataclass

_PATTERN = re.compile(
    r"(?P<head>[A-Za-z0-9._-]+)\{1\.\.(?P<count>[1-9][0-9]{0,2})\}==(?P<version>[0-9A-Za-z.]+)"
)


@dataclass(frozen=True, slots=True)
class WeightPackages:
    """The packages `head1`, `head2`, … up to `count`, of one version."""

    head: str
    count: int
    version: str

    @classmethod
    def parse(cls, text: str) -> "WeightPackages":
        """Return the packages of `name{1..22}==0.2.0`. Raises ValueError."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ValueError("must be packages such as name-part{1..22}==0.2.0")
        return cls(match["head"], int(match["count"]), match["version"])

    def requirement(self, number: int) -> str:
        """Return pip's requirement of one package."""
        return f"{self.head}{number}=={self.version}"
