"""`maas tags`: align a plant's tags, and list which to confirm first, on this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from gateway.call.errors import ParameterInvalid
from gateway.cli.results import Report, Table
from gateway.cli.runner import command
from infra.settings import Settings
from models.tag_align.aligner import TagAligner, TooManyTags
from models.tag_align.naming import TagInvalid
from models.tag_align.own_concepts import OwnConceptsInvalid, parse_own_concepts
from models.tag_align.vocabulary import Scheme

Value = TypeVar("Value")

tags_app = typer.Typer(no_args_is_help=True)

TagFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="Text file with one tag per line.")
]
SchemeOption = Annotated[Scheme, typer.Option(help="Whose concepts to align with.")]
ConceptsOption = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="JSON file with your own concepts, instead of a scheme."
    ),
]


@tags_app.callback()
def tags_group() -> None:
    """Align tags with concepts, without a server."""


@tags_app.command("align")
@command
def tags_align(
    settings: Settings,
    file: TagFile,
    scheme: SchemeOption = Scheme.BRICK,
    concepts: ConceptsOption = None,
) -> Report:
    """List the likeliest concept of each tag, by letters, with equipment and unit.

    Nothing is uploaded or billed.
    """
    aligner, tags = _load_aligner(scheme, concepts), _read_tags(file)
    rows = []
    for tag, alignment in zip(tags, _checked(lambda: aligner.align_all(tags, 1)), strict=True):
        described = aligner.describe(tag)
        best = alignment.candidates[0] if alignment.candidates else None
        rows.append(
            {
                "tag": tag,
                "concept": best.concept.id if best else "",
                "score": round(best.score, 3) if best else 0.0,
                "kind": str(described.kind),
                "equipment": described.equipment,
                "unit": described.unit.unit,
            }
        )
    return Report({"tags": rows}, (Table(rows, tuple(rows[0])),))


@tags_app.command("propose")
@command
def tags_propose(
    settings: Settings,
    file: TagFile,
    count: Annotated[int, typer.Option(min=1, help="How many tags to list at most.")] = 50,
    scheme: SchemeOption = Scheme.BRICK,
    concepts: ConceptsOption = None,
) -> Report:
    """List the tags to confirm first: each stands for the most tags that none stands for yet.

    Nothing is uploaded or billed.
    """
    aligner, tags = _load_aligner(scheme, concepts), _read_tags(file)
    proposed = _checked(lambda: aligner.propose(tags, count))
    rows = [{"rank": rank, "tag": tag} for rank, tag in enumerate(proposed, start=1)]
    return Report({"tags": rows}, (Table(rows, ("rank", "tag")),))


def _load_aligner(scheme: Scheme, concepts: Path | None) -> TagAligner:
    """Load the aligner of a scheme, or of the concepts in a file. Raises ParameterInvalid."""
    aligner = TagAligner.load(schemes=[scheme])
    if concepts is None:
        return aligner
    try:
        return aligner.over(parse_own_concepts(concepts.read_text("utf-8-sig")))
    except (OwnConceptsInvalid, UnicodeDecodeError) as error:
        raise ParameterInvalid(f"{concepts.name}: {error}", param="concepts") from error


def _read_tags(file: Path) -> list[str]:
    """Return the lines of a file that are not empty. Raises ParameterInvalid if there are none."""
    try:
        tags = [line.strip() for line in file.read_text("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ParameterInvalid(f"{file.name} is not UTF-8.", param="file") from error
    if not tags:
        raise ParameterInvalid(f"{file.name} has no tags.", param="file")
    return tags


def _checked(align: Callable[[], Value]) -> Value:
    """Return the result of a call with tags. Raises ParameterInvalid for invalid or many tags."""
    try:
        return align()
    except (TagInvalid, TooManyTags) as error:
        raise ParameterInvalid(str(error), param="file") from error
