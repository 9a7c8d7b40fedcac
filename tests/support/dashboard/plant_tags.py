"""A model of plant tags for the page that confirms them."""

from typing import Any

TAG_PAGE = "/dashboard/models/tags"


def tag_outputs(_model: str, request: dict[str, Any]) -> dict[str, list[Any]]:
    """What a model of tags answers: each tag means the first of two concepts."""
    count = request["inputs"][0]["shape"][0]
    texts = dict.fromkeys(("name", "basis", "notation", "kind", "equipment", "unit", "unit_basis"))
    return {
        **{name: [""] * count for name in texts},
        "concept": ["RT"] * count,
        "score": [0.9] * count,
        "candidates": [["RT", "SAT"]] * count,
        "candidate_scores": [[0.9, 0.4]] * count,
        "confirm_rank": list(range(1, count + 1)),
    }
