"""Names replaced by docs/glossary.md are not used for classes, functions and constants."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.sources import ROOT, product_files, source_of

PACKAGES = ("gateway", "billing", "infra", "load")
# Words without information about the value, and names that several classes had.
RETIRED_CLASSES = frozenset(
    """
    Accepting Adapting Answer Ask Asked Begun Bringing Chosen Citing Completion Counted Describing
    Ending Exhausted Extent Figures Filled Found Given Hold Holdings Inviting Judge Judgement Kept
    KnownKey Left Lender Listening Looking LookingIn Making Marks Measured Opened Own Place Priced
    Quoting Reach Refused Resets Rival Said Says Seen Served Settled Short Shown SigningIn Silent
    Standing Target Ticket Told Tools Turns Viewing Wanted Watch Within
    """.split()
)
RETIRED_FUNCTIONS = frozenset(
    """
    answered_once begin_anew begin_cause bill_account dun foresee give_in give_up give_way go_on
    hold_totals name_cause offer put_credit_right put_included_right put_right say stop_totals
    take_back take_in_usage take_stale tell tell_answered tell_settled watched whole
    """.split()
)
RETIRED_FORMS = re.compile(r"(^|[a-z])Wish$|^_?MOST(_|$)|^_?AT_ONCE$|^_?PATIENCE(_S)?$|^_?LONGEST$")


@dataclass(frozen=True, slots=True)
class Definition:
    """A class, function or module constant."""

    file: str
    name: str
    kind: str


@pytest.fixture(scope="module")
def definitions() -> list[Definition]:
    return [one for file in product_files(*PACKAGES) for one in definitions_of(file)]


def definitions_of(file: Path) -> Iterator[Definition]:
    found, path = source_of(file), str(file.relative_to(ROOT))
    yield from (Definition(path, name, "class") for name in found.classes)
    yield from (Definition(path, one.name, "function") for one in found.functions)
    yield from (Definition(path, name, "constant") for name in found.constants)


def test_no_class_has_a_retired_name(definitions: list[Definition]) -> None:
    assert [one for one in definitions if one.kind == "class" and one.name in RETIRED_CLASSES] == []


def test_no_function_has_a_retired_name(definitions: list[Definition]) -> None:
    functions = [one for one in definitions if one.kind == "function"]
    assert [one for one in functions if one.name in RETIRED_FUNCTIONS] == []


def test_no_class_or_constant_has_a_retired_form(definitions: list[Definition]) -> None:
    others = [one for one in definitions if one.kind != "function"]
    assert [one for one in others if RETIRED_FORMS.search(one.name)] == []
