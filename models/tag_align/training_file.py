"""Parse a customer's training file of confirmed tags, in JSON lines."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from models.adaptation import require_no_problems
from models.problems import Problem, Problems
from models.tag_align.confirmations import MAX_CONFIRMATIONS, Confirmation
from models.tag_align.naming import TagInvalid, Words, validate_tag
from models.tag_align.parsing.name import read_name
from models.tag_align.vocabulary import Scheme, Vocabulary
from models.training_text import decode_lines

MIN_TAGS = 10
HELD_OUT_DIVISOR = 5  # one in five patterns is held out for the score
_MAX_SHOWN_LENGTH = 80


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the training file."""

    tag: str
    concept: str


def read_confirmations(training_file: bytes, vocabulary: Vocabulary) -> list[Confirmation]:
    """Parse lines of `{"tag": …, "concept": …}`; all concept ids must be of one scheme.

    Raises TrainingFileInvalid with all problems.
    """
    problems = Problems()
    lines = decode_lines(training_file, _Line, problems)
    invalid_lines, confirmations = problems.count, []
    line_numbers: list[int] = []
    for number, line in lines:
        try:
            confirmations.append(Confirmation(validate_tag(line.tag), line.concept))
            line_numbers.append(number)
        except TagInvalid as error:
            message = f"Line {number}, `tag`: {error}"
            problems.add(Problem("invalid_tag", message, "Give the tag's text.", number, "tag"))
            invalid_lines += 1
    _check_concepts(confirmations, line_numbers, vocabulary, problems)
    if lines or not invalid_lines:
        _check_counts(confirmations, invalid_lines, problems)
    require_no_problems(problems)
    return confirmations


def positions_by_pattern(confirmations: Sequence[Confirmation]) -> Mapping[Words, list[int]]:
    """Group the positions of confirmations by pattern: their tags differ in numbers only."""
    positions: dict[Words, list[int]] = defaultdict(list)
    for position, confirmation in enumerate(confirmations):
        positions[read_name(confirmation.tag).pattern].append(position)
    return positions


def _check_concepts(
    confirmations: Sequence[Confirmation],
    line_numbers: Sequence[int],
    vocabulary: Vocabulary,
    problems: Problems,
) -> None:
    """Report unknown concepts, and concepts outside the scheme that most concepts belong to."""
    schemes = {
        scheme: {concept.id for concept in vocabulary.concepts_in([scheme])} for scheme in Scheme
    }
    known_concepts = set().union(*schemes.values())
    for number, confirmation in zip(line_numbers, confirmations, strict=True):
        if confirmation.concept not in known_concepts:
            shown = confirmation.concept[:_MAX_SHOWN_LENGTH]
            message = f"Line {number}: the vocabulary has no concept {shown!r}."
            fix = "Give the concept's id as returned by `/v1/predictions`."
            problems.add(Problem("unknown_label", message, fix, number, "concept"))
    with_known_concept = [
        (n, confirmation)
        for n, confirmation in zip(line_numbers, confirmations, strict=True)
        if confirmation.concept in known_concepts
    ]
    main_scheme = max(
        schemes,
        key=lambda scheme: sum(
            confirmation.concept in schemes[scheme] for _, confirmation in with_known_concept
        ),
    )
    for number, confirmation in with_known_concept:
        if confirmation.concept not in schemes[main_scheme]:
            shown = confirmation.concept[:_MAX_SHOWN_LENGTH]
            message = (
                f"Line {number}: the concepts belong to several schemes; {shown!r} does not "
                f"belong to {main_scheme.value} like most others."
            )
            fix = "Use concepts of one scheme only."
            problems.add(Problem("other_scheme", message, fix, number, "concept"))


def _check_counts(
    confirmations: Sequence[Confirmation], invalid_lines: int, problems: Problems
) -> None:
    """Report too few or too many confirmations, concepts or patterns.

    Invalid lines count as if corrected, so that nothing is reported that correcting them solves.
    """
    if len(confirmations) + invalid_lines < MIN_TAGS:
        message = f"There are {len(confirmations)} tags; at least {MIN_TAGS} are needed."
        problems.add(Problem("too_few_rows", message, "Add tags."))
    elif not invalid_lines and len({confirmation.concept for confirmation in confirmations}) < 2:
        message = "All tags have the same concept, so nothing can be learned."
        problems.add(
            Problem("too_few_classes", message, "Add tags of other concepts.", field="concept")
        )
    elif (
        not invalid_lines
        and (patterns := len(positions_by_pattern(confirmations))) < HELD_OUT_DIVISOR
    ):
        message = (
            f"The tags differ in numbers only: they have {patterns} patterns, and "
            f"{HELD_OUT_DIVISOR} are needed for validation."
        )
        problems.add(
            Problem("too_few_kinds", message, "Add tags with other patterns.", field="tag")
        )
    if (tags := len({confirmation.tag for confirmation in confirmations})) > MAX_CONFIRMATIONS:
        message = f"There are {tags} tags; at most {MAX_CONFIRMATIONS} are allowed."
        problems.add(Problem("too_many_rows", message, "Remove tags."))
