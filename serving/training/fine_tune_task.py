"""Adapting a specialist as a Ray task: a training file in, lines of JSON out while it runs.

Each line is one of `{"progress": "…"}`, with `"metrics": {…}` beside it where there are figures,
and last `{"variant": {…}, "seconds": …}` or `{"error": {…}}`. Owns those lines, and that learning
has a process of its own, where it cannot hold up anybody's answer.
"""

import asyncio
import logging
import math
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from types import MappingProxyType
from typing import Any

import msgspec
import ray

from infra.errors import AppError, error_object
from models.adaptation import Adaptation, Adapter, Metrics, Progress
from models.anomaly.adapt import AnomalyAdapter
from models.anomaly.settings import LEAST_SENSITIVE, MOST_SENSITIVE
from models.catalog import Task
from models.failure_class import adapt as failure_class
from models.rul import adapt as rul
from models.surface_defect.adapt import SurfaceAdapter
from models.tag_align import adapt as tag_align
from serving.errors import InputInvalid, ModelFailed
from serving.specialists.loader import Source


@dataclass(frozen=True, slots=True)
class LanguageAdapting:
    """The industrial model's adapter, imported only where it learns: what it needs is hundreds of
    megabytes, which the process that answers for everybody's readiness does not need.

    `base` is the folder of the base's weights, `parent` that of the adapter to go on from, `mixing`
    how far to go from there.
    """

    base: str
    parent: str
    mixing: float = 1.0

    def __call__(self, training_file: bytes, progress: Progress) -> Adaptation:
        # Ray gives a task that has no processors of its own a single thread.
        import_module("torch").set_num_threads(threads(os.cpu_count() or 1))
        made: Adapter = import_module(_LANGUAGE).adapter(
            Path(self.base), Path(self.parent), self.mixing
        )
        return made(training_file, progress)


# By the catalog's word.
ADAPTERS: Mapping[str, Callable[[Source], Adapter]] = MappingProxyType(
    {
        "anomaly": lambda source: AnomalyAdapter(),
        "failure_class": lambda source: failure_class.adapt,
        "industrial_llm": lambda source: LanguageAdapting(source.base or "", source.place),
        "remaining_life": lambda source: rul.adapt,
        "surface_defect": lambda source: SurfaceAdapter(Path(source.place)),
        "tag_align": lambda source: tag_align.adapt,
    }
)
# What is held of the customer's money before it begins is the price of so long.
MOST_S, MOST_TEXT_S = 300, 1800
_DIGITS = 6
_MIXING = re.compile(r"1\.00|0\.(?:0[1-9]|[1-9][0-9])")
_SENSITIVITY = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,6})?")
_LANGUAGE = "models.industrial_llm.adapt"
# Somebody's millisecond answers come first.
_NICENESS = 10


class AdaptationTooLong(InputInvalid):
    """There is too much to learn from."""

    code = "adaptation_too_long"


log = logging.getLogger("ray.serve")


def threads(processors: int) -> int:
    """With so many a language model's adapter is learned: at the lowest priority it takes what
    answering leaves, but from many it would take the memory's breadth too."""
    return min(processors, max(2, processors // 2))


def adapter_of(name: str, source: Source) -> Adapter:
    """Raises InputInvalid where the specialist cannot be adapted."""
    if source.adapter is None:
        raise InputInvalid(f"{name!r} cannot be adapted.", param="model")
    return ADAPTERS[source.adapter](source)


def most_seconds(source: Source) -> int:
    return MOST_TEXT_S if source.task is Task.TEXT_GENERATION else MOST_S


def asked_seconds(text: str | None, most_s: int) -> int:
    """For how long learning may take where somebody asks for less. Raises InputInvalid."""
    if text is None:
        return most_s
    if not text.isdecimal() or not 0 < int(text[:_DIGITS]) or len(text) > _DIGITS:
        raise InputInvalid("`most_s` is a whole number of seconds.", param="most_s")
    return min(int(text), most_s)


def going(adapter: Adapter, mixing: str | None) -> Adapter:
    """`adapter`, going so much of the way from what it goes on from to what it learns; all of it
    where nobody says. Raises InputInvalid."""
    if mixing is None:
        return adapter
    if not isinstance(adapter, LanguageAdapting) or not _MIXING.fullmatch(mixing):
        raise InputInvalid(
            "`mixing` is from 0.01 to 1.00, of a language model's adapter.", param="mixing"
        )
    return replace(adapter, mixing=float(mixing))


def tuned(adapter: Adapter, sensitivity: str | None) -> Adapter:
    """`adapter` with the sensitivity that was asked for. Raises InputInvalid."""
    if sensitivity is None:
        return adapter
    value = float(sensitivity) if _SENSITIVITY.fullmatch(sensitivity) else 0.0
    if not isinstance(adapter, AnomalyAdapter) or not LEAST_SENSITIVE <= value <= MOST_SENSITIVE:
        raise InputInvalid(
            f"`sensitivity` is from {LEAST_SENSITIVE:g} to {MOST_SENSITIVE:g}, of an anomaly "
            "detector.",
            param="sensitivity",
        )
    return replace(adapter, sensitivity=value)


async def adapting(
    adapter: Adapter, training_file: bytes, most_s: float = MOST_S
) -> AsyncGenerator[bytes, None]:
    """The lines, as they come. Whoever stops reading ends the task."""
    lines: Any = _task.remote(adapter, training_file)
    try:
        async with asyncio.timeout(most_s):
            async for line in lines:
                yield await line
    except TimeoutError:
        late = AdaptationTooLong(f"Learning takes longer than {most_s:.0f} s; give fewer examples.")
        yield _line({"error": error_object(late)})
    finally:
        # Learning looks at nobody while it works, so its process is ended.
        ray.cancel(lines, force=True)


def told(adapter: Adapter, training_file: bytes) -> Iterator[bytes]:
    """The lines of one adaptation, which runs beside whoever reads them."""
    said: SimpleQueue[str | Metrics | None] = SimpleQueue()
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        learned = pool.submit(adapter, training_file, said.put)
        learned.add_done_callback(lambda _: said.put(None))
        while (one := said.get()) is not None:
            yield _line(_progress(one))
        yield _line(_end(learned, time.monotonic() - began))


def _progress(said: str | Metrics) -> dict[str, Any]:
    if isinstance(said, str):
        return {"progress": said}
    return {"progress": said.sentence, "metrics": said}


def _end(learned: "Future[Any]", seconds: float) -> dict[str, Any]:
    try:
        return {"variant": learned.result(), "seconds": math.ceil(seconds)}
    except AppError as error:
        return {"error": error_object(error)}
    except Exception:
        log.exception("An adaptation failed")
        return {"error": error_object(ModelFailed("The model could not be adapted."))}


def _line(content: dict[str, Any]) -> bytes:
    return msgspec.json.encode(content) + b"\n"


@ray.remote(num_cpus=0, max_retries=0, max_calls=1)
def _task(adapter: Adapter, training_file: bytes) -> Iterator[bytes]:
    os.nice(_NICENESS)
    yield from told(adapter, training_file)
