"""The response body of `/v1/moderations`, for the OpenAPI document only."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

InputType = Literal["text", "image"]


class ModerationResult(msgspec.Struct, kw_only=True):
    """The verdict about one text, or about the parts of one input."""

    flagged: bool
    categories: Annotated[dict[str, bool], Meta(description="OpenAI's, and the model's own")]
    category_scores: Annotated[
        dict[str, float],
        Meta(description="From 0 to 1; of a guard model 1, 0.5 if the text is controversial, or 0"),
    ]
    category_applied_input_types: dict[str, list[InputType]]
    x_maas_hazards: Annotated[
        list[str] | UnsetType, Meta(description="What a guard model reported, in its own words")
    ] = UNSET
    x_maas_safety: Literal["safe", "controversial", "unsafe"] | UnsetType = UNSET


class ModerationObject(msgspec.Struct):
    """The response of `/v1/moderations`: a result per text, in their order."""

    id: str
    model: str
    results: list[ModerationResult]
