"""The plan of a question: triple patterns whose matches are cited, conditions, and its SPARQL."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.plant.graph.vocabulary import PLANT, RDFS

MAX_ROWS = 1_000
LABEL = f"{RDFS}label"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A triple pattern whose matches are cited. Variables begin with `?`, others are IRIs."""

    subject: str
    predicate: str
    object: str

    def text(self) -> str:
        """Return the pattern in SPARQL."""
        return " ".join(_term(one) for one in (self.subject, self.predicate, self.object)) + " ."


@dataclass(slots=True)
class Plan:
    """A query: its patterns, further conditions, the variables of a row, and the order.

    `key` is the variable of what is asked for. `implied` are patterns that the conditions match.
    """

    key: str
    patterns: list[Pattern] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    optional: list[list[Pattern]] = field(default_factory=list)
    implied: list[Pattern] = field(default_factory=list)
    order: str = ""

    def cite(self, subject: str, predicate: str, target: str) -> None:
        """Add a pattern that is cited; `predicate` is a term of the plant vocabulary."""
        self.patterns.append(Pattern(subject, PLANT + predicate, target))

    def maybe(self, *patterns: tuple[str, str, str]) -> None:
        """Add patterns that a row may lack together."""
        self.optional.append([Pattern(one, PLANT + name, other) for one, name, other in patterns])

    def where(self, text: str) -> None:
        """Add a condition in SPARQL."""
        self.conditions.append(text)

    @property
    def all_patterns(self) -> list[Pattern]:
        """Return all patterns that are cited, those that a row lacks a variable of too."""
        return [*self.patterns, *(one for group in self.optional for one in group), *self.implied]

    @property
    def variables(self) -> list[str]:
        """Return the variables of patterns, each once."""
        return list(dict.fromkeys([self.key, *_variables(self.all_patterns)]))

    def text(self) -> str:
        """Return the query, with the label of each node where it has one."""
        names = self.variables
        always = [self.key, *_variables(self.patterns)]
        later = {one for group in self.optional for one in _variables(group)} - set(always)
        implied = set(_variables(self.implied)) - set(always)
        labels = [_label(one) for one in names if one not in later | implied]
        body = [
            *self.conditions[:1],
            *(one.text() for one in self.patterns),
            *self.conditions[1:],
            *(_optional(group, later) for group in self.optional),
            *labels,
        ]
        selected = " ".join([*names, *(f"{one}_label" for one in names)])
        order = f" order by {self.order}" if self.order else ""
        inner = "\n  ".join(line for line in body if line)
        return f"select distinct {selected} where {{\n  {inner}\n}}{order} limit {MAX_ROWS + 1}"


def _variables(patterns: Iterable[Pattern]) -> list[str]:
    """Return the variables of patterns."""
    terms = (term for one in patterns for term in (one.subject, one.object))
    return [term for term in terms if term.startswith("?")]


def _label(variable: str) -> str:
    """Return the optional label of a bound variable.

    An unbound one would match every label of the graph, so it is asked only where it is bound.
    """
    return f"optional {{ {variable} <{LABEL}> {variable}_label }}"


def _optional(group: Sequence[Pattern], later: set[str]) -> str:
    """Return patterns that a row may lack, with the labels of the variables that they bind."""
    named = [one for one in dict.fromkeys(_variables(group)) if one in later]
    parts = [*(one.text() for one in group), *map(_label, named)]
    return "optional { " + " ".join(parts) + " }"


def _term(term: str) -> str:
    """Return a variable or IRI as SPARQL."""
    return term if term.startswith("?") else f"<{term}>"
