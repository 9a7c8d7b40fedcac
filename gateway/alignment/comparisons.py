"""Compare an account's points with those of another plant, from an export of that.

    file -> points with concepts -> (one billed call for those without) -> pairs by concept

Concepts of the file count if the account or the built-in vocabulary has them; with a model, points
with other concepts or none are aligned with the account's own vocabulary first.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gateway.alignment.batches import BATCH_SIZE, AlignmentCalls, is_alignable
from gateway.alignment.runner import version_of
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Principal, SignedInCaller
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.plant.alignment.concepts import OWN, canonical_concept, concept_of
from gateway.plant.alignment.pairing import Comparison, PlantPointView, compare_points
from gateway.plant.alignment.probability import ProbabilityCurve, fit_curve
from gateway.plant.assets.ids import COMPARISON
from gateway.plant.assets.values import Concept, Point
from gateway.plant.imports.exchange_formats import PlantFile
from gateway.plant.imports.exchange_process import StoredFile
from gateway.plant.imports.importing import PlantImporter, actor_text, printable
from gateway.plant.store.alignment_facts import list_outcomes
from gateway.plant.store.comparisons import (
    list_mapped_points,
    pack_pairs,
    store_comparison,
    summarize,
)
from gateway.tables import PlantComparison
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

# Points of the other plant that one comparison asks a model about.
MAX_ASKED = 10_240


@dataclass(frozen=True, slots=True)
class AligningModel:
    """The model that aligns points of the other plant, and who pays."""

    calls: AlignmentCalls
    principal: Principal
    model: str


@dataclass(frozen=True, slots=True)
class PlantComparer:
    """Compares plants for one request. `asked` is None if no model is to be asked."""

    database: Database
    clock: Clock
    importer: PlantImporter
    asked: AligningModel | None = None

    async def compare(
        self, account_id: UUID, actor: Actor, file: PlantFile | StoredFile
    ) -> PlantComparison:
        """Compare with the points of a file, and store the result.

        Raises PlantModelInvalid, ImportBusy, ParameterInvalid for too many points to ask about,
        AlignmentCallFailed.
        """
        other = await self.importer.read_model(file)
        async with self.database.transaction() as session:
            own = await list_mapped_points(session, account_id)
            outcomes = [] if self.asked is None else await list_outcomes(session, account_id)
        known = {point.concept for point in own}
        mapped, open_points = _split(other.points, known, is_asked=self.asked is not None)
        rows = 0
        if self.asked is not None and open_points:
            found = await self._align(self.asked, open_points, fit_curve(outcomes))
            mapped, rows = [*mapped, *found], len(open_points)
        comparison = await asyncio.to_thread(compare_points, own, mapped)
        counts = {
            "points": {"own": len(own), "other": len(other.points)},
            "without_concept": {"other": len(other.points) - len(mapped)},
            "billed_rows": rows,
        }
        return await self._store(account_id, actor, file.name, comparison, counts)

    async def _align(
        self, asked: AligningModel, points: Sequence[Point], curve: ProbabilityCurve
    ) -> list[PlantPointView]:
        """Return points with the concepts that the model proposes, without those it has none for.

        Raises ParameterInvalid for too many points, AlignmentCallFailed.
        """
        if len(points) > MAX_ASKED:
            raise ParameterInvalid(
                f"The model would be asked about {len(points):,} points; at most {MAX_ASKED:,} are "
                "possible. Split the file.",
                param="file",
            )
        principal = asked.principal
        caller = SignedInCaller(principal.account_id, principal.key_id)
        version, turn = version_of(asked.model, principal), str(ids.new_id())
        aligned = []
        for start in range(0, len(points), BATCH_SIZE):
            batch = points[start : start + BATCH_SIZE]
            answer = await asked.calls.ask(caller, version, batch, turn)
            for point, entry in zip(batch, answer.entries, strict=True):
                if entry["concept"]:
                    probability = curve.at(float(entry["score"]))
                    aligned.append(_view(point, concept_of(entry["concept"]), probability))
        return aligned

    async def _store(
        self,
        account_id: UUID,
        actor: Actor,
        name: str,
        comparison: Comparison,
        counts: dict[str, Any],
    ) -> PlantComparison:
        """Store a comparison with an audit entry."""
        packed = await asyncio.to_thread(pack_pairs, comparison)
        summary = {**counts, **summarize(comparison)}
        async with self.database.transaction() as session:
            row = await store_comparison(
                session,
                account_id,
                printable(name),
                summary,
                packed,
                actor_text(actor),
                self.clock.now(),
            )
            details = {"pairs": summary["pairs"], "file": row.file_name}
            subject = ids.format_id(COMPARISON, row.id)
            await record_audit_event(
                session, self.clock, actor, account_id, "plant.compared", subject, details
            )
        return row


def _split(
    points: Sequence[Point], known: set[Concept], *, is_asked: bool
) -> tuple[list[PlantPointView], list[Point]]:
    """Return points whose concept counts, and those to ask a model about."""
    mapped, open_points = [], []
    for point in points:
        concept = None if point.concept is None else canonical_concept(point.concept)
        counts = concept is not None and (not is_asked or concept in known or concept.scheme != OWN)
        if concept is not None and counts:
            mapped.append(_view(point, concept, 1.0))
        elif is_alignable(point):
            open_points.append(point)
    return mapped, open_points


def _view(point: Point, concept: Concept, probability: float) -> PlantPointView:
    """Return a point of the other plant to pair."""
    return PlantPointView(
        point.tag, point.name, point.asset or "", point.unit, concept, probability
    )
