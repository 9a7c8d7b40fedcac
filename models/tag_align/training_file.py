"""Parse a customer's training file of confirmed tags, in JSON lines."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from models.adaptation import require_no_problems
from models.problems import Problem, Problems
from models.sentences import message_of, sentence
from models.tag_align.confirmations import MAX_CONFIRMATIONS, Confirmation
from models.tag_align.naming import TagInvalid, Words, validate_tag
from models.tag_align.own_concepts import OwnConcept, OwnConceptsInvalid, build_own_concepts
from models.tag_align.parsing.name import read_name
from models.tag_align.vocabulary import Concept, Scheme, Vocabulary
from models.training_text import decode_lines

MIN_TAGS = 10
HELD_OUT_DIVISOR = 5  # one in five patterns is held out for the score
_MAX_SHOWN_LENGTH = 80


class _Line(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A line of the training file: a confirmed tag, or one of the customer's own concepts."""

    concept: str
    tag: str | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    aliases: tuple[str, ...] = ()
    earlier: str | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class ConfirmedTags:
    """The content of a training file; `concepts` are the customer's own, if it has some.

    `earlier` are the confirmations that the version in use was trained on, as the lines state.
    """

    confirmations: tuple[Confirmation, ...]
    concepts: tuple[Concept, ...]
    earlier: tuple[Confirmation, ...] = ()


def read_confirmed_tags(training_file: bytes, vocabulary: Vocabulary) -> ConfirmedTags:
    """Parse lines of `{"tag": …, "concept": …}` and of `{"concept": …, "name": …}`.

    All concept ids must be of one scheme, or of the file's own concepts if it has some. A line of a
    tag may have `earlier`, the concept that the version in use learned for the tag. Raises
    TrainingFileInvalid with all problems.
    """
    problems = Problems()
    lines = decode_lines(training_file, _Line, problems)
    invalid_lines, confirmations = problems.count, []
    line_numbers: list[int] = []
    concept_lines: list[OwnConcept] = []
    for number, line in lines:
        if isinstance(line.name, str) and not isinstance(line.tag, str):
            concept_lines.append(OwnConcept(line.concept, line.name, line.aliases))
            continue
        try:
            confirmations.append(Confirmation(_tag_of(line), line.concept))
            line_numbers.append(number)
        except TagInvalid as error:
            message = sentence("Line {number}, `tag`: {error}", number=number, error=error)
            problems.add(
                Problem("invalid_tag", message, sentence("Give the tag's text."), number, "tag")
            )
            invalid_lines += 1
    own = _own_concepts(concept_lines, problems)
    if concept_lines:
        known = {concept.id for concept in own}
        for number, confirmation in zip(line_numbers, confirmations, strict=True):
            if own and confirmation.concept not in known:
                problems.add(_unknown_concept(confirmation, number))
    else:
        _check_concepts(confirmations, line_numbers, vocabulary, problems)
    if lines or not invalid_lines:
        _check_counts(confirmations, invalid_lines, problems)
    require_no_problems(problems)
    earlier = tuple(
        Confirmation(_tag_of(line), line.earlier)
        for _, line in lines
        if isinstance(line.earlier, str) and isinstance(line.tag, str)
    )
    return ConfirmedTags(tuple(confirmations), own, earlier)


def _tag_of(line: _Line) -> str:
    """Return the valid tag of a line. Raises TagInvalid."""
    if not isinstance(line.tag, str) or isinstance(line.name, str):
        raise TagInvalid(sentence("a line needs `tag` and `concept`, or `concept` and `name`."))
    return validate_tag(line.tag)


def _own_concepts(lines: Sequence[OwnConcept], problems: Problems) -> tuple[Concept, ...]:
    """Return the customer's own concepts; reports why they cannot be used."""
    if not lines:
        return ()
    try:
        return build_own_concepts(lines)
    except OwnConceptsInvalid as error:
        problems.add(
            Problem(
                "invalid_concept",
                message_of(error),
                sentence("Correct the concepts."),
                field="name",
            )
        )
        return ()


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
            problems.add(_unknown_concept(confirmation, number))
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
            message = sentence(
                "Line {number}: the concepts belong to several schemes; {shown} does "
                "not belong to {scheme} like most others.",
                number=number,
                shown=repr(shown),
                scheme=main_scheme.value,
            )
            fix = sentence("Use concepts of one scheme only.")
            problems.add(Problem("other_scheme", message, fix, number, "concept"))


def _unknown_concept(confirmation: Confirmation, number: int) -> Problem:
    """Return the problem of a line whose concept is not in the vocabulary."""
    shown = confirmation.concept[:_MAX_SHOWN_LENGTH]
    message = sentence(
        "Line {number}: the vocabulary has no concept {shown}.", number=number, shown=repr(shown)
    )
    fix = sentence("Give the concept's id as returned by `/v1/predictions`.")
    return Problem("unknown_label", message, fix, number, "concept")


def _check_counts(
    confirmations: Sequence[Confirmation], invalid_lines: int, problems: Problems
) -> None:
    """Report too few or too many confirmations, concepts or patterns.

    Invalid lines count as if corrected, so that nothing is reported that correcting them solves.
    """
    if len(confirmations) + invalid_lines < MIN_TAGS:
        message = sentence(
            "There are {count} tags; at least {least} are needed.",
            count=len(confirmations),
            least=MIN_TAGS,
        )
        problems.add(Problem("too_few_rows", message, sentence("Add tags.")))
    elif not invalid_lines and len({confirmation.concept for confirmation in confirmations}) < 2:
        message = sentence("All tags have the same concept, so nothing can be learned.")
        problems.add(
            Problem(
                "too_few_classes", message, sentence("Add tags of other concepts."), field="concept"
            )
        )
    elif (
        not invalid_lines
        and (patterns := len(positions_by_pattern(confirmations))) < HELD_OUT_DIVISOR
    ):
        message = sentence(
            "The tags differ in numbers only: they have {patterns} patterns, and "
            "{least} are needed for validation.",
            patterns=patterns,
            least=HELD_OUT_DIVISOR,
        )
        problems.add(
            Problem(
                "too_few_kinds", message, sentence("Add tags with other patterns."), field="tag"
            )
        )
    if (tags := len({confirmation.tag for confirmation in confirmations})) > MAX_CONFIRMATIONS:
        message = sentence(
            "There are {tags} tags; at most {most} are allowed.", tags=tags, most=MAX_CONFIRMATIONS
        )
        problems.add(Problem("too_many_rows", message, sentence("Remove tags.")))
