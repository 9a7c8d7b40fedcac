"""A table of checks with what was found, each PASS or FAIL, for commands that a person reads."""

import sys
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Verdict:
    """One check: its name, what was found, and whether that is right."""

    name: str
    found: str
    passed: bool

    def line(self) -> str:
        return f"| {self.name} | {self.found} | {'PASS' if self.passed else 'FAIL'} |"


@dataclass
class Verdicts:
    """The checks of one run, in order."""

    title: str
    rows: list[Verdict] = field(default_factory=list)

    def equal(self, name: str, found: object, expected: object) -> None:
        """Add a check that passes if `found` is `expected`."""
        passed = found == expected
        text = "none" if found in ([], ()) else f"{found}"
        self.rows.append(Verdict(name, text if passed else f"{text}, not {expected}", passed))

    def at_most(self, name: str, found: float, most: float, unit: str = "") -> None:
        """Add a check that passes if `found` is not above `most`."""
        self.rows.append(Verdict(name, f"{found:,.0f}{unit} (≤ {most:,.0f}{unit})", found <= most))

    @property
    def failed(self) -> list[Verdict]:
        return [row for row in self.rows if not row.passed]

    def report(self, notes: list[str]) -> None:
        """Print the table, notes below it, and PASS or FAIL as the last line."""
        lines = ["", self.title, "", "| check | found | |", "|---|---|---|"]
        lines += [row.line() for row in self.rows]
        lines += ["", *notes, "", f"{'FAIL' if self.failed else 'PASS'}: {self.title}", ""]
        sys.stdout.write("\n".join(lines))
        sys.stdout.flush()
