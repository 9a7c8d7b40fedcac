"""`maas tags`: align a plant's tags, and list which to confirm first.

Without `--model` on this machine, unbilled and by letters only; with it through the API, so that
the confirmations of a fine-tuned model count.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from gateway.call.errors import ParameterInvalid
from gateway.cli.api_client import open_api, require_success, send_request
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
SchemeOption = Annotated[
    Scheme | None,
    typer.Option(help="Whose concepts to align with: Brick, or those of the fine-tuned model."),
]
ModelOption = Annotated[
    str,
    typer.Option(
        help="Model to ask through the API, billed to the key in MAAS_API_KEY. Without it, "
        "nothing is uploaded or billed."
    ),
]
UrlOption = Annotated[str, typer.Option(help="Address of the gateway, with --model.")]
_URL = "http://127.0.0.1:8080"
ConceptsOption = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="JSON file with your own concepts, instead of a scheme."
    ),
]


@tags_app.callback()
def tags_group() -> None:
    """Align tags with concepts."""


@tags_app.command("align")
@command
def tags_align(
    settings: Settings,
    file: TagFile,
    scheme: SchemeOption = None,
    concepts: ConceptsOption = None,
    model: ModelOption = "",
    url: UrlOption = _URL,
) -> Report:
    """List the likeliest concept of each tag, with equipment and unit."""
    tags = _read_tags(file)
    if model:
        fields = ("tag", "concept", "score", "kind", "equipment", "unit")
        body = _body(model, tags, scheme, concepts)
        return _ask(url, "/v1/tags/align", body, fields)
    aligner = _load_aligner(scheme or Scheme.BRICK, concepts)
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
    scheme: SchemeOption = None,
    concepts: ConceptsOption = None,
    model: ModelOption = "",
    url: UrlOption = _URL,
) -> Report:
    """List the tags to confirm first: each stands for the most tags that none stands for yet."""
    tags = _read_tags(file)
    if model:
        body = {**_body(model, tags, scheme, concepts), "count": count}
        return _ask(url, "/v1/tags/propose", body, ("rank", "tag", "concept", "score"))
    aligner = _load_aligner(scheme or Scheme.BRICK, concepts)
    proposed = _checked(lambda: aligner.propose(tags, count))
    rows = [{"rank": rank, "tag": tag} for rank, tag in enumerate(proposed, start=1)]
    return Report({"tags": rows}, (Table(rows, ("rank", "tag")),))


def _body(
    model: str, tags: list[str], scheme: Scheme | None, concepts: Path | None
) -> dict[str, Any]:
    """Return the body of a call of the API. Raises ParameterInvalid for unreadable concepts."""
    body: dict[str, Any] = {"model": model, "tags": tags}
    if scheme is not None:
        body["scheme"] = str(scheme)
    if concepts is not None:
        try:
            body["concepts"] = msgspec.json.decode(concepts.read_text("utf-8-sig"))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ParameterInvalid(f"{concepts.name}: {error}", param="concepts") from error
    return body


def _ask(url: str, path: str, body: dict[str, Any], fields: tuple[str, ...]) -> Report:
    """Send a call of the API and return the fields of its entries, with what it cost.

    Raises ApiUnreachable, ApiRefused.
    """
    with open_api(url) as http:
        response = require_success(send_request(http, "POST", path, msgspec.json.encode(body)))
    rows = [{name: entry[name] for name in fields} for entry in response.json()["data"]]
    cost = response.headers.get("x-maas-cost", "")
    return Report({"tags": rows, "cost": cost}, (Table(rows, fields),))


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
