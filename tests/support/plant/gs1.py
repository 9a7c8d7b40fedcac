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
    """Yield name and content of the examples that are EPCISDocuments."""
    assert EXAMPLES is not None
    for file in sorted(EXAMPLES.glob("*.jsonld")):
        content = _read(file.name)
        if content["type"] == "EPCISDocument":
            yield file.name, content


def _read(name: str) -> Any:
    """Return the content of one of the files."""
    assert EXAMPLES is not None
    return json.loads((EXAMPLES / name).read_bytes())
