"""Plant tags of a form: tags, own concepts and confirmations, and files of them."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from billing.invoice_documents.rendering.csv import BYTE_ORDER_MARK, format_csv_rows
from gateway.wire.error_bodies import read_refusal
from gateway.wire.plant_tags import MAX_TAGS
from infra.errors import AppError
from infra.translations import gettext_noop

# Between the id, the name and the aliases of a concept on a line of the form.
_SEPARATOR, _WIDE_SEPARATOR = ";", "；"
_ALIGNED = ("tag", "concept", "name", "score", "kind", "equipment", "unit")


class TagsNotAligned(AppError):
    """Tags of a form that cannot be used; nothing was billed."""

    status = 422
    type = "invalid_request_error"
    code = "tags_not_aligned"


def read_tags(text: str) -> list[str]:
    """Return the tags of a text with one a line, each once. Raises TagsNotAligned."""
    tags = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not tags:
        raise TagsNotAligned(gettext_noop("Enter at least one tag."), param="tags")
    if len(tags) > MAX_TAGS:
        raise TagsNotAligned(gettext_noop("At most 4,096 tags are possible."), param="tags")
    return tags


def read_concepts(text: str) -> list[dict[str, Any]]:
    """Return own concepts of a text with `id; name; alias; …` a line. Raises TagsNotAligned."""
    concepts = []
    for line in text.splitlines():
        cells = line.replace(_WIDE_SEPARATOR, _SEPARATOR).split(_SEPARATOR)
        parts = [cell.strip() for cell in cells]
        if not any(parts):
            continue
        if len(parts) < 2 or not parts[0] or not parts[1]:
            message = gettext_noop("Write each concept as: id; name; aliases.")
            raise TagsNotAligned(message, param="concepts")
        aliases = [part for part in parts[2:] if part]
        concepts.append({"concept": parts[0], "name": parts[1], "aliases": aliases})
    return concepts


def confirmed_tags(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the concept of each confirmed tag; a tag whose concept is empty is left out."""
    confirmed = {}
    for name, tag in fields.items():
        kind, _, number = name.partition(".")
        concept = fields.get(f"concept.{number}", "").strip()
        if kind == "tag" and concept:
            confirmed[tag] = concept
    return confirmed


def build_training_file(
    earlier: bytes, concepts: Sequence[Mapping[str, Any]], confirmed: Mapping[str, str]
) -> bytes:
    """Return the lines of a training: those of an earlier one, concepts and confirmations.

    A tag or concept that is stated again replaces the earlier line.
    """
    lines: dict[tuple[str, str], Mapping[str, Any]] = {}
    stated = ({"tag": tag, "concept": concept} for tag, concept in confirmed.items())
    for line in (*_decode(earlier), *concepts, *stated):
        key = ("tag", str(line["tag"])) if "tag" in line else ("concept", str(line["concept"]))
        lines[key] = line
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines.values())


def read_answer(status: int, body: bytes) -> list[dict[str, Any]]:
    """Return the entries of a response. Raises TagsNotAligned with the API's error."""
    if status != HTTPStatus.OK:
        raise TagsNotAligned(read_refusal(status, body).message)
    entries: list[dict[str, Any]] = msgspec.json.decode(body)["data"]
    return entries


def render_aligned(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """Return aligned tags as CSV."""
    lines = [["" if one[name] is None else str(one[name]) for name in _ALIGNED] for one in entries]
    return BYTE_ORDER_MARK + format_csv_rows([list(_ALIGNED), *lines])


def _decode(content: bytes) -> list[dict[str, Any]]:
    """Return the lines of a training file."""
    return [msgspec.json.decode(line) for line in content.splitlines() if line.strip()]
