"""Inputs of specialists from the readings of the asset that a chat names.

What the text states wins: an input is read from the asset only if the text lacks it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.call.asset_inputs import AssetReadings, AssetVerdict, LinkedAssets
from gateway.call.hosted_tools import HostedTools
from gateway.call.values import Principal
from gateway.collaboration.decisions import Decision
from gateway.collaboration.loop import AnswerOrigin, Outcome
from gateway.collaboration.plan import Question
from gateway.inference.asset_inputs import AssetInputs
from models.arguments import Extraction, Row, Source
from models.findings.asset_note import asset_note, several_assets
from models.findings.summary import summarize

_MAX_NOTES = 3
_NOTED = (AnswerOrigin.VERIFIED, AnswerOrigin.COMPOSED, AnswerOrigin.ASKED)


@dataclass(frozen=True, slots=True)
class AskedAsset:
    """The asset of a question, with what was read for each specialist."""

    linked: LinkedAssets
    readings: Mapping[str, AssetReadings]

    @property
    def gives_inputs(self) -> bool:
        """Return whether the newest message names the asset, and it has inputs of a specialist."""
        has_readings = any(one.readings for one in self.readings.values())
        return self.linked.is_new and has_readings

    def notes(self, language: str, models: Sequence[str] = ()) -> list[str]:
        """Return sentences on what was read: for these models, or for all."""
        asset = self.linked.only
        if asset is None:
            return [several_assets([one.code for one in self.linked.assets], language)]
        used = [one for one in self.readings.values() if not models or one.model in models]
        return [
            note
            for one in used
            if (note := asset_note(asset.code, one.inputs, one.missing, language))
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the field `x_maas_asset` of an answer."""
        asset = self.linked.only
        if asset is None:
            several = [{"id": one.public_id, "code": one.code} for one in self.linked.assets]
            return {"ambiguous": several}
        models = [
            {
                "model": one.model,
                "at": one.at.isoformat(),
                "inputs": list(one.inputs),
                "missing": list(one.missing),
            }
            for one in self.readings.values()
        ]
        return {"id": asset.public_id, "code": asset.code, "name": asset.name, "models": models}

    def with_note(self, outcome: Outcome, language: str) -> Outcome:
        """Return an outcome whose text says what was read for its specialists."""
        if outcome.origin not in _NOTED:
            return outcome
        notes = self.notes(language, [one.tool.model for one in outcome.decisions])
        if not notes:
            return outcome
        return replace(outcome, text="\n\n".join([outcome.text.rstrip(), *notes[:_MAX_NOTES]]))

    def verdicts(
        self, principal: Principal, decisions: Sequence[Decision]
    ) -> tuple[AssetVerdict, ...]:
        """Return the verdicts on the asset: decisions about one row that have a record."""
        asset = self.linked.only
        if asset is None:
            return ()
        found = []
        for decision in decisions:
            read = self.readings.get(decision.tool.model)
            if decision.record_id is None or len(decision.inputs) != 1 or read is None:
                continue
            found.append(
                AssetVerdict(
                    account_id=principal.account_id,
                    asset_id=asset.id,
                    request_id=decision.prediction.request_id,
                    model=decision.tool.model,
                    version=decision.tool.version,
                    at=read.at,
                    prediction=decision.prediction.rows[0],
                    inputs=_inputs(decision.inputs[0], read),
                    finding=summarize(decision.findings[0]),
                    decision_record_id=decision.record_id,
                )
            )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class AssetReader:
    """Links the asset of a chat and adds its readings to what the text states."""

    inputs: AssetInputs

    async def link(
        self, principal: Principal, texts: Sequence[str], hosted: HostedTools
    ) -> LinkedAssets | None:
        """Return the asset that the tool or the text names. Raises PlantNodeNotFound."""
        if hosted.asset is not None:
            return LinkedAssets((await self.inputs.find(principal, hosted.asset),))
        return await self.inputs.link(principal, texts) if texts else None

    async def add(
        self, principal: Principal, question: Question, linked: LinkedAssets
    ) -> tuple[Question, AskedAsset]:
        """Return the question with readings of the asset, and what was read."""
        asset = linked.only
        if asset is None:
            return question, AskedAsset(linked, {})
        read: dict[str, AssetReadings] = {}
        extractions = dict(question.extractions)
        for tool in question.tools:
            one = await self.inputs.read(principal, asset, tool.model, tool.signature)
            if not one.readings and tool.model not in question.recognised:
                continue
            merged = _merge(extractions[tool.model], one)
            extractions[tool.model] = merged
            read[tool.model] = _without_stated(one, merged.first)
        filled = replace(question, extractions=extractions)
        complete = frozenset(
            tool.model
            for tool in question.tools
            if tool.model in read and tool.required and not filled.missing(tool)
        )
        return replace(filled, from_asset=complete), AskedAsset(linked, read)


def without_empty(question: Question, own: frozenset[str]) -> Question:
    """Return a question without own models that an asset lacks inputs of.

    They were offered only because of the asset.
    """
    kept = tuple(
        tool
        for tool in question.tools
        if tool.model not in own or tool.model in question.from_asset
    )
    return replace(question, tools=kept)


def _merge(extraction: Extraction, read: AssetReadings) -> Extraction:
    """Return the rows of a text with readings for columns that they lack."""
    if len(extraction.rows) != 1:
        return extraction
    row: Row = {**read.readings, **extraction.first}
    problems = tuple(one for one in extraction.problems if one.column not in read.readings)
    return replace(extraction, rows=(row,), problems=problems)


def _without_stated(read: AssetReadings, row: Row) -> AssetReadings:
    """Return what was read without the inputs that the text states."""
    stated = {name for name, one in row.items() if one.source is not Source.ASSET}
    return replace(
        read,
        inputs=tuple(one for one in read.inputs if one["name"] not in stated),
        missing=tuple(one for one in read.missing if one["name"] not in stated),
    )


def _inputs(row: Row, read: AssetReadings) -> tuple[Mapping[str, Any], ...]:
    """Return the inputs of a verdict: readings of points, and what the person wrote."""
    points = {one["name"]: one for one in read.inputs}
    return tuple(
        points.get(name)
        or {
            "name": name,
            "origin": "text",
            **({"steps": len(one.value)} if isinstance(one.value, tuple) else {"value": one.value}),
        }
        for name, one in row.items()
    )
