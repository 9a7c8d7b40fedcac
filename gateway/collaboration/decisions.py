"""A specialist's answer within a conversation, and where several of them disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from gateway.collaboration.tools import SpecialistTool
from infra import ids
from models.arguments import Row
from models.findings import Finding, Stated, Verdict, find_asked, read_finding, with_asked

RECORD_PREFIX = "drec"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The end of a specialist's call: its outputs row by row, or the error that it ended with.

    `cost_nano` is what the call costs unless its conversation fails.
    """

    request_id: UUID
    rows: tuple[Mapping[str, Any], ...] = ()
    error: str | None = None
    error_code: str | None = None
    cost_nano: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What a specialist decided on rows of inputs; without findings if it failed.

    `record_id` is the id of the decision record, None until there is one.
    """

    tool: SpecialistTool
    inputs: tuple[Row, ...]
    prediction: Prediction
    findings: tuple[Finding, ...] = ()
    record_id: UUID | None = None

    @property
    def verdict(self) -> Verdict:
        """Return the verdict of the rows together: the one of all, else the first that acts."""
        verdicts = [finding.verdict for finding in self.findings]
        for one in (Verdict.UNCERTAIN, Verdict.YES):
            if one in verdicts:
                return one
        return verdicts[0] if verdicts else Verdict.UNCERTAIN


def decide(
    tool: SpecialistTool, inputs: tuple[Row, ...], prediction: Prediction, question: str
) -> Decision:
    """Return the decision that a prediction comes to; a readable one gets a record id.

    The figures that the question asks for come first.
    """
    signature, asked = tool.signature, find_asked(question)
    findings = tuple(
        with_asked(
            read_finding(
                signature.inputs,
                signature.outputs,
                {name: reading.value for name, reading in row.items()},
                predicted,
            ),
            asked,
        )
        for row, predicted in zip(inputs, prediction.rows, strict=False)
    )
    decision = Decision(tool, inputs, prediction, findings)
    return replace(decision, record_id=ids.new_id()) if findings else decision


def disagreements(decisions: Sequence[Decision]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of models that decided otherwise on the same task or output."""
    pairs = []
    for index, first in enumerate(decisions):
        for second in decisions[index + 1 :]:
            if first.tool.model != second.tool.model and _disagree(first, second):
                pairs.append((first.tool.model, second.tool.model))
    return tuple(pairs)


def _disagree(first: Decision, second: Decision) -> bool:
    """Return whether two decisions on one row each are about the same and differ."""
    if len(first.findings) != 1 or len(second.findings) != 1:
        return False
    one, other = first.findings[0], second.findings[0]
    if one.main is None or other.main is None or one.main.name != other.main.name:
        return False
    if one.decided is not other.decided:
        return Verdict.UNCERTAIN not in (one.decided, other.decided)
    if one.decided is Verdict.LABEL:
        return one.main.value != other.main.value
    return one.decided is Verdict.VALUE and not _overlap(one.main, other.main)


def _overlap(one: Stated, other: Stated) -> bool:
    """Return whether the intervals of two figures have a value in common; True without both."""
    bounds = (one.lower, one.upper, other.lower, other.upper)
    if one.lower is None or one.upper is None or other.lower is None or other.upper is None:
        return one.value == other.value or None in bounds
    return one.lower <= other.upper and other.lower <= one.upper
