"""GS1's EPCIS schema and examples, where they are beside the repository."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[3]
_PLACES = [folder / "shared/data/epcis" for folder in (_ROOT, _ROOT.parent)]
EXAMPLES = next((place for place in _PLACES if place.exists()), None)


def schema() -> Any:
    """Return GS1's JSON schema of EPCIS documents and query documents."""
    return _read("EPCIS-JSON-Schema.json")


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and content of the examples; of a query document, its events as a document."""
    assert EXAMPLES is not None
    for file in sorted(EXAMPLES.glob("*.jsonld")):
        content = _read(file.name)
        if content["type"] == "EPCISQueryDocument":
            content = _as_document(content)
        yield file.name, content


def _as_document(content: dict[str, Any]) -> dict[str, Any]:
    """Return the events of a query document as an EPCISDocument, without their record times."""
    found = content["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    events = [{k: v for k, v in one.items() if k != "recordTime"} for one in found]
    kept = {name: content[name] for name in ("@context", "schemaVersion", "creationDate")}
    return {**kept, "type": "EPCISDocument", "epcisBody": {"eventList": events}}


def _read(name: str) -> Any:
    """Return the content of one of the files."""
    assert EXAMPLES is not None
    return json.loads((EXAMPLES / name).read_bytes())
