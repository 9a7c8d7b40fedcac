"""Which specialists a chat that names an asset may call."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from gateway.call.asset_inputs import AssetReadings, LinkedAssets, NamedAsset
from gateway.call.values import Principal
from gateway.collaboration.plan import Question, direct_tools, tool_to_ask_for
from gateway.collaboration.tools import SpecialistTool
from gateway.inference.asset_inputs import AssetInputs
from gateway.inference.hosted_tools.assets import AskedAsset, AssetReader, without_empty
from models.arguments import Extraction, Reading, Source, extract
from models.signature import InputField, Signature

PUMP = NamedAsset(UUID(int=1), "ast_1", "P-101", "Feed pump")
NOBODY = cast(Principal, SimpleNamespace())
OWN, OTHER, SHARED = "ft:pump-life", "ft:fan-life", "shared-life"


def tool(model: str, *inputs: str) -> SpecialistTool:
    fields = tuple(InputField(name, "FP32", "mm/s") for name in inputs)
    return SpecialistTool(model, "", Signature(fields, (), "1"), "1")


class Plant:
    """An asset with a reading of `vibration` only."""

    async def read(
        self, _principal: Principal, _asset: NamedAsset, model: str, signature: Signature
    ) -> AssetReadings:
        names = [field.name for field in signature.inputs]
        found = {
            name: Reading(name, 7.1, "P-101.V", Source.ASSET)
            for name in names
            if name == "vibration"
        }
        inputs = tuple({"name": name, "tag": "P-101.V", "value": 7.1} for name in found)
        missing = tuple({"name": name, "reason": "no_point"} for name in names if name not in found)
        return AssetReadings(model, datetime.now(UTC), found, inputs, missing)


async def ask(text: str, tools: Sequence[SpecialistTool]) -> tuple[Question, AskedAsset]:
    extractions: dict[str, Extraction] = {one.model: extract([text], one.fields) for one in tools}
    question = Question((text,), "en", tuple(tools), extractions, frozenset({SHARED}))
    reader = AssetReader(cast(AssetInputs, Plant()))
    filled, asset = await reader.add(NOBODY, question, LinkedAssets((PUMP,)))
    return without_empty(filled, frozenset({OWN, OTHER})), asset


async def test_own_model_with_all_inputs_is_left_to_the_language_model() -> None:
    tools = [tool(SHARED, "T24"), tool(OWN, "vibration"), tool(OTHER, "vibration", "speed")]
    question, asset = await ask("How long will P-101 last?", tools)
    assert [one.model for one in question.tools] == [SHARED, OWN]
    assert question.from_asset == {OWN}
    assert direct_tools(question, 4) == ()
    assert tool_to_ask_for(question) is None
    assert asset.gives_inputs


async def test_stated_value_wins_over_the_reading() -> None:
    text = "P-101: vibration 9.9 mm/s. How long will it last?"
    question, asset = await ask(text, [tool(SHARED, "vibration")])
    row: dict[str, Any] = dict(question.extractions[SHARED].first)
    assert (row["vibration"].value, row["vibration"].source) == (9.9, Source.TEXT)
    assert asset.readings[SHARED].inputs == ()
    assert direct_tools(question, 4) == question.tools
