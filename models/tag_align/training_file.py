"""A customer's training file of confirmed tags, one a line."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from models.adaptation import require_none
from models.problems import Problem, Problems
from models.tag_align.confirmations import MAX_CONFIRMATIONS, Confirmation
from models.tag_align.naming import TagInvalid, Words, check, pattern, split
from models.tag_align.vocabulary import Scheme, Vocabulary
from models.training_text import structs

FEWEST = 10
HELD_OUT = 5  # one pattern in so many is kept apart
_LONGEST_SHOWN = 80


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    tag: str
    concept: str


def read_confirmations(training_file: bytes, vocabulary: Vocabulary) -> list[Confirmation]:
    """Lines of `{"tag": …, "concept": …}`, the concept by its id in one scheme of the vocabulary.

    Raises TrainingFileInvalid with all problems.
    """
    problems = Problems()
    lines = structs(training_file, _Line, problems)
    wrong, given = problems.count, []
    numbers: list[int] = []
    for number, line in lines:
        try:
            given.append(Confirmation(check(line.tag), line.concept))
            numbers.append(number)
        except TagInvalid as error:
            said = f"Line {number}, `tag`: {error}"
            problems.add(Problem("invalid_tag", said, "Give the tag's text.", number, "tag"))
            wrong += 1
    _find_concepts(given, numbers, vocabulary, problems)
    if lines or not wrong:
        _find_too_few(given, wrong, problems)
    require_none(problems)
    return given


def kinds_of(given: Sequence[Confirmation]) -> Mapping[Words, list[int]]:
    """Where the tags of each pattern are: those that differ in numbers only are one kind."""
    groups: dict[Words, list[int]] = defaultdict(list)
    for at, one in enumerate(given):
        groups[pattern(split(one.tag))].append(at)
    return groups


def _find_concepts(
    given: Sequence[Confirmation],
    numbers: Sequence[int],
    vocabulary: Vocabulary,
    problems: Problems,
) -> None:
    """Concepts that no scheme has, and those that are not of the scheme of most."""
    schemes = {scheme: {one.id for one in vocabulary.of([scheme])} for scheme in Scheme}
    known = set().union(*schemes.values())
    for number, one in zip(numbers, given, strict=True):
        if one.concept not in known:
            said = f"Line {number}: the vocabulary has no concept {one.concept[:_LONGEST_SHOWN]!r}."
            fix = "Give the concept's id, as `/v1/predictions` answers it."
            problems.add(Problem("unknown_label", said, fix, number, "concept"))
    of_known = [(n, one) for n, one in zip(numbers, given, strict=True) if one.concept in known]
    most = max(
        schemes, key=lambda scheme: sum(one.concept in schemes[scheme] for _, one in of_known)
    )
    for number, one in of_known:
        if one.concept not in schemes[most]:
            said = (
                f"Line {number}: the concepts are of several schemes; "
                f"{one.concept[:_LONGEST_SHOWN]!r} is not of {most.value}, as most are."
            )
            fix = "Keep to the concepts of one scheme."
            problems.add(Problem("other_scheme", said, fix, number, "concept"))


def _find_too_few(given: Sequence[Confirmation], wrong: int, problems: Problems) -> None:
    """`wrong` lines may be mended: only what is too few even then is said."""
    if len(given) + wrong < FEWEST:
        said = f"There are {len(given)} tags; at least {FEWEST} are needed."
        problems.add(Problem("too_few_rows", said, "Add tags."))
    elif not wrong and len({one.concept for one in given}) < 2:
        said = "All tags are of one concept: there is nothing to tell apart."
        problems.add(Problem("too_few_classes", said, "Add tags of others.", field="concept"))
    elif not wrong and (kinds := len(kinds_of(given))) < HELD_OUT:
        said = (
            f"The tags differ in numbers only: they are of {kinds} kinds, and {HELD_OUT} are "
            "needed to see whether it helps."
        )
        problems.add(Problem("too_few_kinds", said, "Add tags of other kinds.", field="tag"))
    if (tags := len({one.tag for one in given})) > MAX_CONFIRMATIONS:
        said = f"There are {tags} tags; at most {MAX_CONFIRMATIONS} are learned from."
        problems.add(Problem("too_many_rows", said, "Leave tags out."))
