"""Validate training files before a fine-tuning job is queued.

The line format depends on the model: models/industrial_llm/dialogues.py for text generation,
training_file_readers.py for specialists. Takes several seconds for the largest files: run it in a
thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from gateway.call.errors import BadRequest
from gateway.fine_tuning.pii_scrubber import scrub_training_file
from gateway.fine_tuning.secret_scan import require_no_secrets
from gateway.fine_tuning.training_file_readers import EXAMPLE_COUNTERS
from models.adaptation import TrainingFileInvalid
from models.anomaly.settings import RELIABLE_ROWS
from models.anomaly_training.files import require_no_schema
from models.catalog import Model, Task
from models.industrial_llm.dialogues import parse_training_file
from models.industrial_llm.effort import estimate_seconds
from models.own_columns import CheckTable, find_table_check
from models.own_images import OWN_IMAGES
from models.sentences import Sentence, listing, message_of, sentence
from models.tables.schema import NO_SCHEMA, SchemaRequest, describe_schema
from models.training_text import encoding_notes


class TrainingFileRejected(BadRequest):
    """The training file is invalid.

    The message names the first problem. The error object has up to 100 `problems` and the total
    `problem_count`; `problems` of the error has them as objects.
    """

    code = "invalid_training_file"

    def __init__(self, error: TrainingFileInvalid) -> None:
        super().__init__(message_of(error), param="training_file")
        self.problems, self.details = error.problems, error.details


@dataclass(frozen=True, slots=True)
class TrainingFileCheck:
    """The result of checking a valid training file.

    `held_out` is None if the specialist chooses its hold-out set during training. `pii_counts` is
    the number of removed items by kind of personal data. `estimated_seconds` is None if unknown.
    `schema` describes the columns of a table, None for other files. `labels` has the number of
    images by label; it is empty for other files.
    """

    training_examples: int
    held_out: int | None
    warnings: tuple[Sentence, ...] = ()
    pii_counts: Mapping[str, int] = field(default_factory=dict)
    estimated_seconds: int | None = None
    schema: Mapping[str, Any] | None = None
    labels: Mapping[str, int] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[Sentence, ...]:
        """Sentences for the job's events: examples, duration, PII removal; none for specialists."""
        if self.held_out is None:
            return ()
        notes = [
            sentence(
                "{count} dialogues are used for training, {held_out} are held out for validation.",
                count=self.training_examples,
                held_out=self.held_out,
            )
        ]
        if self.estimated_seconds is not None:
            seconds = self.estimated_seconds
            notes.append(sentence("Training will take about {seconds} s.", seconds=seconds))
        if self.pii_counts:
            counts = listing([f"{count} {kind}" for kind, count in self.pii_counts.items()])
            removed = sentence("Personal data is removed before training: {counts}.", counts=counts)
            notes.append(removed)
        return tuple(notes)


def check_training_file(
    model: Model,
    content: bytes,
    account_id: UUID,
    profile: str,
    scrub_pii: bool,
    schema: SchemaRequest = NO_SCHEMA,
) -> TrainingFileCheck:
    """Check a training file for a model; `scrub_pii` removes personal data of dialogues first.

    `schema` is what the customer stated about the columns of a table. Raises TrainingFileRejected
    with all problems.
    """
    try:
        if model.task is Task.TEXT_GENERATION:
            return _check_dialogues(content, account_id, profile, scrub_pii)
        if (check := find_table_check(model.adapter, content)) is not None:
            return _check_table(check, content, schema)
        if (check_images := OWN_IMAGES.get(model.adapter or "")) is not None:
            images = check_images(content)
            return TrainingFileCheck(images.examples, None, images.notes, labels=images.labels)
        require_no_schema(schema)
        count = EXAMPLE_COUNTERS[model.adapter or ""](content)
        return TrainingFileCheck(
            count, None, (*encoding_notes(content), *_row_count_warnings(model, count))
        )
    except TrainingFileInvalid as error:
        raise TrainingFileRejected(error) from error


def render_file_check(
    model: Model, result: TrainingFileCheck | TrainingFileRejected
) -> dict[str, Any]:
    """Render the result of checking a file as JSON."""
    valid = isinstance(result, TrainingFileCheck)
    details = {} if isinstance(result, TrainingFileCheck) else result.details
    return {
        "object": "training_file.check",
        "model": model.id,
        "valid": valid,
        "examples": result.training_examples if isinstance(result, TrainingFileCheck) else None,
        "warnings": list(map(str, result.warnings))
        if isinstance(result, TrainingFileCheck)
        else [],
        "schema": result.schema if isinstance(result, TrainingFileCheck) else None,
        "problem_count": details.get("problem_count", 0),
        "problems": details.get("problems", []),
    }


def _check_table(check: CheckTable, content: bytes, request: SchemaRequest) -> TrainingFileCheck:
    """Check a table and describe its columns for confirmation. Raises TrainingFileInvalid."""
    found = check(content, request)
    return TrainingFileCheck(
        found.examples, None, found.notes, schema=describe_schema(found.schema)
    )


def _row_count_warnings(model: Model, row_count: int) -> tuple[Sentence, ...]:
    """Return a warning if an anomaly detector gets fewer than RELIABLE_ROWS rows."""
    if model.task is not Task.ANOMALY_DETECTION or row_count >= RELIABLE_ROWS:
        return ()
    return (
        sentence(
            "{rows} rows of normal operation are enough for training, but with fewer than "
            "{reliable} rows the alarm limit is uncertain. Check the false alarms in held-out data "
            "and add more data if possible.",
            rows=row_count,
            reliable=RELIABLE_ROWS,
        ),
    )


def _check_dialogues(
    content: bytes, account_id: UUID, profile: str, scrub_pii: bool
) -> TrainingFileCheck:
    """Check a language model's file; `scrub_pii` removes personal data before the check."""
    notes = encoding_notes(content)
    content, pii_counts = scrub_training_file(content) if scrub_pii else (content, {})
    dialogues = parse_training_file(content)
    require_no_secrets((*dialogues.train, *dialogues.held_out), account_id)
    return TrainingFileCheck(
        training_examples=len(dialogues.train),
        held_out=len(dialogues.held_out),
        warnings=(*notes, *dialogues.warnings),
        pii_counts=pii_counts,
        estimated_seconds=estimate_seconds(dialogues, profile),
    )
