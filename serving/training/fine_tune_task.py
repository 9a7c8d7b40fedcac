"""Fine-tuning as a Ray task: a training file in, JSON lines with progress and the result out.

The lines are `{"progress": "…"}`, optionally with `"metrics": {…}`, and a final
`{"variant": {…}, "seconds": …}` or `{"error": {…}}`. Training runs in a process of its own with a
low priority, so that it does not delay inference.
"""

import asyncio
import logging
import math
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
import ray

from infra.errors import AppError, error_object
from infra.lazy_import import LazyModule
from models.adaptation import AdaptFunction, Metrics
from models.anomaly.settings import MAX_SENSITIVITY, MIN_SENSITIVITY
from models.catalog import Task
from models.sentences import Sentence, message_of, sentence
from models.tables.schema import SchemaRequest
from serving.errors import InputInvalid, ModelFailed
from serving.specialists.loader import ModelSource
from serving.training.language_model import LanguageModelAdapter, required_gpus

if TYPE_CHECKING:
    from models.anomaly_training import adapt as anomaly_adapt
    from models.failure_class import adapt as failure_class
    from models.forecasting import adapt as forecasting
    from models.rul import adapt as rul
    from models.series import class_adapt
    from models.series.life import adapt as life_adapt
    from models.surface_defect import adapt as surface_defect
    from models.tabular import adapt as tabular
    from models.tabular import data as tabular_data
    from models.tag_align import adapt as tag_align
else:  # LightGBM, ONNX and scikit-learn are imported when a customer's training needs them
    anomaly_adapt = LazyModule("models.anomaly_training.adapt")
    failure_class = LazyModule("models.failure_class.adapt")
    forecasting = LazyModule("models.forecasting.adapt")
    rul = LazyModule("models.rul.adapt")
    class_adapt = LazyModule("models.series.class_adapt")
    life_adapt = LazyModule("models.series.life.adapt")
    surface_defect = LazyModule("models.surface_defect.adapt")
    tabular = LazyModule("models.tabular.adapt")
    tabular_data = LazyModule("models.tabular.data")
    tag_align = LazyModule("models.tag_align.adapt")

# By the name of the adapter in the catalog.
ADAPTERS: Mapping[str, Callable[[ModelSource], AdaptFunction]] = MappingProxyType(
    {
        "anomaly": lambda source: anomaly_adapt.AnomalyFileAdapter(),
        "failure_class": lambda source: failure_class.adapt,
        "industrial_llm": LanguageModelAdapter.for_source,
        "remaining_life": lambda source: rul.adapt,
        "series_classifier": lambda source: class_adapt.ClassAdapter(),
        "series_forecaster": lambda source: forecasting.ForecastAdapter(),
        "series_life": lambda source: life_adapt.LifeAdapter(),
        "surface_defect": lambda source: surface_defect.SurfaceAdapter(Path(source.location)),
        "tabular_classifier": lambda source: tabular.TabularAdapter(tabular_data.Goal.CLASS),
        "tabular_regressor": lambda source: tabular.TabularAdapter(tabular_data.Goal.NUMBER),
        "tag_align": lambda source: tag_align.adapt,
    }
)
# Training time limits in seconds; the gateway reserves the price of this time beforehand.
MAX_SECONDS, MAX_TEXT_SECONDS = 300, 1800
_MAX_DIGITS = 6
_MIXING_PATTERN = re.compile(r"1\.00|0\.(?:0[1-9]|[1-9][0-9])")
_SENSITIVITY_PATTERN = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,6})?")
# A cluster that adds nodes by itself needs minutes to start one with a GPU.
GPU_WAIT_S = 600.0
# Between two messages while the training waits, so that no connection looks idle.
_GPU_REPORT_S = 30.0
_WAITS_FOR_GPU = sentence("The training waits for a GPU.")
# Inference on the same machine has priority.
_NICENESS = 10


class TrainingTimeout(InputInvalid):
    """Training exceeded its time limit."""

    code = "adaptation_too_long"


class TrainingGpuUnavailable(ModelFailed):
    """All GPUs are used by engines, and none became free in time (HTTP 503)."""

    status = 503
    code = "no_training_gpu"


log = logging.getLogger("ray.serve")


def find_adapter(name: str, source: ModelSource) -> AdaptFunction:
    """Return the training function of the model. Raises InputInvalid if it has none."""
    if source.adapter is None:
        raise InputInvalid(f"{name!r} cannot be fine-tuned.", param="model")
    return ADAPTERS[source.adapter](source)


def max_training_seconds(source: ModelSource) -> int:
    """Return the training time limit of the model in seconds."""
    return MAX_TEXT_SECONDS if source.task is Task.TEXT_GENERATION else MAX_SECONDS


def parse_max_seconds(text: str | None, max_seconds: int) -> int:
    """Parse the requested time limit, capped at `max_seconds` seconds. Raises InputInvalid."""
    if text is None:
        return max_seconds
    if not text.isdecimal() or not 0 < int(text[:_MAX_DIGITS]) or len(text) > _MAX_DIGITS:
        raise InputInvalid("`most_s` must be a whole number of seconds.", param="most_s")
    return min(int(text), max_seconds)


def with_mixing(adapter: AdaptFunction, mixing: str | None) -> AdaptFunction:
    """Return the training function with the requested mixing of parent and trained weights.

    `mixing` is the query parameter, None for the default of 1. Raises InputInvalid.
    """
    if mixing is None:
        return adapter
    if not isinstance(adapter, LanguageModelAdapter) or not _MIXING_PATTERN.fullmatch(mixing):
        raise InputInvalid(
            "`mixing` must be 0.01 to 1.00 and is only allowed for an adapter of a language model.",
            param="mixing",
        )
    return replace(adapter, mixing=float(mixing))


def split_schema(body: bytes, length: str | None) -> tuple[bytes | None, bytes]:
    """Return the schema and the training file of a request's body.

    The schema is JSON in the first `length` bytes; there is none without a length. Raises
    InputInvalid.
    """
    if length is None:
        return None, body
    if not length.isdecimal() or len(length) > _MAX_DIGITS or int(length) > len(body):
        raise InputInvalid("`schema_length` must be a number of bytes.", param="schema_length")
    return body[: int(length)], body[int(length) :]


def with_schema(adapter: AdaptFunction, schema: bytes | None) -> AdaptFunction:
    """Return the training function for the columns that a customer confirmed.

    `schema` is the JSON of a SchemaRequest, None for the inferred one. Raises InputInvalid.
    """
    if schema is None:
        return adapter
    if not isinstance(
        adapter,
        anomaly_adapt.AnomalyFileAdapter
        | class_adapt.ClassAdapter
        | forecasting.ForecastAdapter
        | life_adapt.LifeAdapter
        | tabular.TabularAdapter,
    ):
        raise InputInvalid("`schema` is only allowed for models of tables.", param="schema")
    try:
        return replace(adapter, schema=msgspec.json.decode(schema, type=SchemaRequest))
    except msgspec.DecodeError as error:
        raise InputInvalid(f"`schema`: {error}.", param="schema") from error


def with_sensitivity(adapter: AdaptFunction, sensitivity: str | None) -> AdaptFunction:
    """Return the anomaly detector's training function with the requested sensitivity.

    `sensitivity` is the query parameter, None for the default. Raises InputInvalid.
    """
    if sensitivity is None:
        return adapter
    value = float(sensitivity) if _SENSITIVITY_PATTERN.fullmatch(sensitivity) else 0.0
    if (
        not isinstance(adapter, anomaly_adapt.AnomalyFileAdapter)
        or not MIN_SENSITIVITY <= value <= MAX_SENSITIVITY
    ):
        raise InputInvalid(
            f"`sensitivity` must be {MIN_SENSITIVITY:g} to {MAX_SENSITIVITY:g} and is only allowed "
            "for anomaly detectors.",
            param="sensitivity",
        )
    return replace(adapter, sensitivity=value)


async def stream_fine_tuning(
    adapter: AdaptFunction,
    training_file: bytes,
    max_seconds: float = MAX_SECONDS,
    gpu_wait_s: float = GPU_WAIT_S,
) -> AsyncGenerator[bytes, None]:
    """Run fine-tuning as a Ray task and yield its JSON lines.

    Closing the generator kills the task; so does the time limit, after an error line. The time
    limit starts with the training: waiting for a GPU, `gpu_wait_s` at most, is not a part of it.
    """
    gpus = required_gpus(adapter)
    task: Any = _fine_tune_task.options(num_gpus=gpus)
    lines: Any = task.remote(adapter, training_file, announce=gpus > 0)
    try:
        if gpus:
            async with aclosing(_wait_for_gpu(lines, gpu_wait_s)) as waiting:
                async for line in waiting:
                    yield line
        async with asyncio.timeout(max_seconds):
            async for line in lines:
                yield await line
    except TrainingGpuUnavailable as error:
        yield _json_line(_error_event(error))
    except TimeoutError:
        message = sentence(
            "Training takes longer than {seconds:.0f} s. Use fewer examples.", seconds=max_seconds
        )
        yield _json_line(_error_event(TrainingTimeout(message)))
    finally:
        # Training does not check for cancellation, so its process has to be killed.
        ray.cancel(lines, force=True)


async def _wait_for_gpu(lines: Any, wait_s: float) -> AsyncGenerator[bytes, None]:
    """Yield messages until the task has a GPU and yields its first line, which is the last one.

    Raises TrainingGpuUnavailable after `wait_s` seconds. Engines hold their GPUs as long as they
    run, so one becomes free only if an engine is scaled down or the cluster adds a node.
    """
    first = asyncio.ensure_future(anext(lines))
    deadline = time.monotonic() + wait_s
    try:
        while not first.done():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TrainingGpuUnavailable(
                    sentence(
                        "No GPU became free for fine-tuning. Ask the operator to add one, or to "
                        "give fine-tuning a share with MAAS_TRAINING_GPUS."
                    )
                )
            await asyncio.wait([first], timeout=min(remaining, _GPU_REPORT_S))
            if not first.done():
                yield _json_line(_progress_event(_WAITS_FOR_GPU))
        yield await first.result()
    finally:
        first.cancel()


def run_fine_tuning(adapter: AdaptFunction, training_file: bytes) -> Iterator[bytes]:
    """Run the training function in a thread; yield its progress and result as JSON lines."""
    reports: SimpleQueue[Sentence | Metrics | None] = SimpleQueue()
    started_at = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(adapter, training_file, reports.put)
        result.add_done_callback(lambda _: reports.put(None))
        while (report := reports.get()) is not None:
            yield _json_line(_progress_event(report))
        yield _json_line(_final_event(result, time.monotonic() - started_at))


def _progress_event(report: Sentence | Metrics) -> dict[str, Any]:
    """Return the JSON event of a progress sentence or of training metrics."""
    message = report.sentence if isinstance(report, Metrics) else report
    event: dict[str, Any] = {"progress": str(message), "sentence": message.as_json()}
    return {**event, "metrics": report} if isinstance(report, Metrics) else event


def _final_event(result: "Future[Any]", seconds: float) -> dict[str, Any]:
    """Return the JSON event of the finished training: its variant or its error."""
    try:
        return {"variant": result.result(), "seconds": math.ceil(seconds)}
    except AppError as error:
        return _error_event(error)
    except Exception:
        log.exception("Fine-tuning failed")
        return _error_event(ModelFailed(sentence("The model could not be fine-tuned.")))


def _error_event(error: AppError) -> dict[str, Any]:
    """Return the JSON event of an error, with its sentence if it was raised with one."""
    message = message_of(error)
    made_of = {"sentence": message.as_json()} if isinstance(message, Sentence) else {}
    return {"error": {**error_object(error), **made_of}}


def _json_line(content: dict[str, Any]) -> bytes:
    """Encode an event as one JSON line."""
    return msgspec.json.encode(content) + b"\n"


@ray.remote(num_cpus=0, max_retries=0, max_calls=1)
def _fine_tune_task(
    adapter: AdaptFunction, training_file: bytes, announce: bool
) -> Iterator[bytes]:
    """Run fine-tuning at low priority as a Ray task that yields JSON lines.

    With `announce` the first line is sent before the training starts.
    """
    os.nice(_NICENESS)
    if announce:
        yield _json_line(_progress_event(sentence("The training starts.")))
    yield from run_fine_tuning(adapter, training_file)
