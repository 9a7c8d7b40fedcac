"""Measure and record: `python -m models.surface_defect.evaluate`.

Owns `metrics.json`: how often a head that has seen a few pictures of each class is right on all
others, how far its probabilities and its familiarity hold, and what that costs. Changes no setting.
"""

import base64
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.calibration import reliability
from models.surface_defect.adapt import SurfaceAdapter
from models.surface_defect.backbone import Backbone, Features, open_backbone
from models.surface_defect.conversion import BackboneMissing, convert, packaged_weights
from models.surface_defect.data import LABELS, Dataset, load
from models.surface_defect.discriminant import Classes
from models.surface_defect.head import Head, fit
from models.surface_defect.picture import Picture, decoded, fitted, mirrored
from models.surface_defect.variant import IMAGE
from models.surface_defect.variant import load as load_variant
from models.training_data import TrainingDataMissing, record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# Not the draws on which layers and settings were compared, nor of the pictures they were drawn of.
SEED = 9_000
DRAWS = 20
SHOTS = (5, 10, 20, 50)
SHOT = 10
# Drawn from one end of what is kept apart, judged on the other: no picture's neighbour is known.
ENDS = (200, 240)
UNFAMILIAR = 0.05
TIMED = 100
DIGITS = 4

Rows = NDArray[np.intp]
Figures = dict[str, Any]
Change = Callable[[Picture], NDArray[Any]]

CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "a fifth darker": lambda picture: picture * 0.8,
        "a fifth brighter": lambda picture: picture * 1.2,
        "half the contrast": lambda picture: picture.mean() + (picture - picture.mean()) * 0.5,
        "turned by a quarter": lambda picture: np.rot90(picture),
    }
)


@dataclass(frozen=True, slots=True)
class Bench:
    """The pictures brought to size, and the features of each one's views, [pictures, views,
    features]."""

    dataset: Dataset
    backbone: Backbone
    pictures: Sequence[Picture]
    views: Features

    @classmethod
    def of(cls, dataset: Dataset, backbone: Backbone) -> "Bench":
        pictures = [fitted(Image.fromarray(grey)) for grey in dataset.grey]
        views = [backbone.features(mirrored(one)) for one in pictures]
        return cls(dataset, backbone, pictures, np.stack(views))

    @property
    def truth(self) -> Classes:
        return self.dataset.truth

    def head(self, rows: Rows) -> Head:
        """Fitted on these pictures of all classes."""
        return fit(self.views[rows], self.truth[rows], LABELS, self.backbone.identity).head


def evaluate(dataset: Dataset, backbone: Backbone) -> Figures:
    """Every figure of the model card, ready for JSON."""
    bench = Bench.of(dataset, backbone)
    return {
        "data": {"sha256": dict(dataset.sha256), "pictures": len(dataset.truth)},
        "backbone": {"identity": backbone.identity, "features": backbone.width},
        "kept_apart": few_shot(bench, np.flatnonzero(dataset.kept_apart)),
        "all_pictures": few_shot(bench, np.arange(len(dataset.truth))),
        "no_neighbours": no_neighbours(bench),
        "changed": changed(bench),
        "unknown_class": unknown_class(bench),
        "no_surface": no_surface(bench),
        "cost": cost(bench),
    }


def few_shot(bench: Bench, among: Rows, shots: Sequence[int] = SHOTS) -> Figures:
    """By pictures a class drawn: right on all the others of `among`."""
    return {str(count): _drawn(bench, among, count) for count in shots}


def draws(truth: Classes, among: Rows, shots: int) -> Iterator[tuple[Rows, Rows]]:
    """So many of each class, in the order drawn, and all others."""
    for draw in range(DRAWS):
        generator = np.random.default_rng(SEED + draw)
        drawn = [
            generator.choice(among[truth[among] == one], shots, replace=False)
            for one in np.unique(truth[among])
        ]
        rows = np.concatenate(drawn)
        yield rows, np.setdiff1d(among, rows)


def no_neighbours(bench: Bench) -> Figures:
    """Drawn up to one number, judged from another on."""
    first, last = ENDS
    number = bench.dataset.number
    start = np.flatnonzero(bench.dataset.kept_apart & (number <= first))
    end = np.flatnonzero(number > last)
    right = [_right(bench, bench.head(rows), end) for rows, _ in draws(bench.truth, start, SHOT)]
    return _spread(right)


def changed(bench: Bench) -> Figures:
    """Right on pictures that were changed after the head had learned from unchanged ones, and the
    share of them that is called unfamiliar."""
    apart = np.flatnonzero(bench.dataset.kept_apart)
    features = {
        name: bench.backbone.features(_as_bytes(change(bench.pictures[at])) for at in apart)
        for name, change in CHANGES.items()
    }
    heads = [(bench.head(rows), others) for rows, others in draws(bench.truth, apart, SHOT)]
    return {name: _on_changed(bench, heads, apart, one) for name, one in features.items()}


def unknown_class(bench: Bench) -> Figures:
    """Each class in turn is never shown: the share of its pictures, and of the others that were not
    learned from, that is called unfamiliar."""
    apart = np.flatnonzero(bench.dataset.kept_apart)
    unknown, known, sure = [], [], []
    for hidden in range(len(LABELS)):
        shown = apart[bench.truth[apart] != hidden]
        for rows, others in draws(bench.truth, shown, SHOT):
            # Places among the classes that are left.
            truth = bench.truth[rows] - (bench.truth[rows] > hidden)
            names = [label for at, label in enumerate(LABELS) if at != hidden]
            head = fit(bench.views[rows], truth, names, bench.backbone.identity).head
            strangers = head.judge(bench.views[apart[bench.truth[apart] == hidden], 0])
            unknown.append(np.mean(strangers.familiarity < UNFAMILIAR))
            sure.append(strangers.probabilities.max(axis=1).mean())
            known.append(np.mean(head.judge(bench.views[others, 0]).familiarity < UNFAMILIAR))
    return {
        "unknown_called_unfamiliar": _rounded(np.mean(unknown)),
        "known_called_unfamiliar": _rounded(np.mean(known)),
        "probability_told_of_unknown": _rounded(np.mean(sure)),
    }


def no_surface(bench: Bench) -> Figures:
    """The share of made-up pictures of nothing that is called unfamiliar."""
    features = bench.backbone.features(fitted(Image.fromarray(one)) for one in nothings())
    apart = np.flatnonzero(bench.dataset.kept_apart)
    heads = [bench.head(rows) for rows, _ in draws(bench.truth, apart, SHOT)]
    called = [np.mean(head.judge(features).familiarity < UNFAMILIAR) for head in heads]
    return {"pictures": len(features), "called_unfamiliar": _rounded(np.mean(called))}


def nothings() -> Iterator[Picture]:
    """A covered lens, a bare screen, slopes of light, test patterns and a camera's noise."""
    rows, columns = np.indices((64, 64))
    generator = np.random.default_rng(SEED)
    for step in range(1, 6):
        yield _as_bytes(np.full((64, 64), 50 * step))
        yield _as_bytes(rows * 0.8 * step)
        yield _as_bytes(120 + 100 * np.sin(columns * step / 3))
        yield _as_bytes((rows // (3 * step) + columns // (3 * step)) % 2 * 200)
        yield _as_bytes(128 + 10 * step * generator.normal(size=(64, 64)))


def cost(bench: Bench) -> Figures:
    """Milliseconds of one core for a picture from base64 to its label, and seconds to adapt."""
    rows, others = next(draws(bench.truth, np.arange(len(bench.truth)), SHOT))
    lines = [_line(bench, at) for at in rows]
    with tempfile.TemporaryDirectory() as folder:
        adapter = SurfaceAdapter(_converted(Path(folder)))
        began = time.thread_time()
        artefact = adapter(b"\n".join(lines), lambda told: None).artefact
        seconds = time.thread_time() - began
    variant = load_variant(artefact, bench.backbone)
    small = [_jpeg(bench.dataset.grey[at], 200) for at in others[:TIMED]]
    large = [_jpeg(bench.dataset.grey[at], 1600) for at in others[:TIMED]]
    return {
        "bytes": len(artefact),
        "seconds_to_adapt": _rounded(seconds),
        "adapted_from": len(rows),
        "ms_jpeg_200_pixels_square": _timed(lambda text: variant.run(_column(text)), small),
        "ms_jpeg_1600_pixels_square": _timed(lambda text: variant.run(_column(text)), large),
        "ms_to_decode_1600_pixels_square": _timed(decoded, large),
    }


def _drawn(bench: Bench, among: Rows, shots: int) -> Figures:
    right, held = [], []
    for rows, others in draws(bench.truth, among, shots):
        probabilities = bench.head(rows).judge(bench.views[others, 0]).probabilities
        truth = bench.truth[others]
        right.append(float(np.mean(probabilities.argmax(axis=1) == truth)))
        sure = float(probabilities.max(axis=1).mean())
        held.append({"mean_probability": sure, **reliability(probabilities, truth)})
    means = {name: _rounded(np.mean([one[name] for one in held])) for name in held[0]}
    return {**_spread(right), **means}


def _on_changed(
    bench: Bench, heads: Sequence[tuple[Head, Rows]], apart: Rows, features: Features
) -> Figures:
    """Each head on its rows among `apart`, of which `features` are."""
    right, unfamiliar = [], []
    for head, rows in heads:
        judged = head.judge(features[np.searchsorted(apart, rows)])
        right.append(np.mean(judged.probabilities.argmax(axis=1) == bench.truth[rows]))
        unfamiliar.append(np.mean(judged.familiarity < UNFAMILIAR))
    return {
        "right": _rounded(np.mean(right)),
        "called_unfamiliar": _rounded(np.mean(unfamiliar)),
    }


def _right(bench: Bench, head: Head, rows: Rows) -> float:
    said = head.judge(bench.views[rows, 0]).probabilities.argmax(axis=1)
    return float(np.mean(said == bench.truth[rows]))


def _as_bytes(values: NDArray[Any]) -> Picture:
    return np.asarray(np.clip(np.round(values), 0, 255), dtype=np.uint8)


def _jpeg(grey: NDArray[np.uint8], side: int) -> str:
    """A picture as a camera sends it, in base64."""
    file = BytesIO()
    Image.fromarray(grey).resize((side, side)).convert("RGB").save(file, "JPEG", quality=90)
    return base64.b64encode(file.getvalue()).decode()


def _line(bench: Bench, row: int) -> bytes:
    text, label = _jpeg(bench.dataset.grey[row], 200), LABELS[bench.truth[row]]
    return f'{{"image": "{text}", "label": "{label}"}}'.encode()


def _column(text: str) -> dict[str, NDArray[Any]]:
    return {IMAGE: np.array([text], dtype=object)}


def _timed(answer: Callable[[str], object], texts: Sequence[str]) -> Figures:
    took = []
    for text in texts:
        began = time.thread_time()
        answer(text)
        took.append((time.thread_time() - began) * 1_000)
    return {
        "p50": round(float(np.median(took)), 1),
        "p99": round(float(np.quantile(took, 0.99)), 1),
    }


def _spread(shares: Sequence[float]) -> Figures:
    return {
        "right": _rounded(np.mean(shares)),
        "deviation": _rounded(np.std(shares)),
        "worst": _rounded(np.min(shares)),
    }


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), DIGITS)


def _converted(folder: Path) -> Path:
    path = folder / "backbone.onnx"
    convert(packaged_weights(), path)
    return path


def measure(directory: Path) -> Figures:
    """Raises TrainingDataMissing, BackboneMissing."""
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(load(directory), open_backbone(_converted(Path(folder))))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `metrics.json` and show it."""
    record_metrics(
        arguments,
        "Measure heads fitted on a few pictures.",
        METRICS,
        measure,
        missing=(TrainingDataMissing, BackboneMissing),
    )


if __name__ == "__main__":
    main()
