"""Measure few-shot heads and write `metrics.json`: `python -m models.surface_defect.evaluate`.

Records accuracy, calibration, robustness, detection of unfamiliar pictures, and cost.
"""

import base64
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.calibration import calibration_metrics
from models.surface_defect.adapt import SurfaceAdapter
from models.surface_defect.altered_pictures import (
    ALTERATIONS,
    Alteration,
    alter_picture,
    non_surface_pictures,
)
from models.surface_defect.backbone import Backbone, Features, open_backbone
from models.surface_defect.boards import DEFECTS, draw_board
from models.surface_defect.conversion import BackboneMissing, convert, packaged_weights
from models.surface_defect.data import LABELS, Dataset, load
from models.surface_defect.discriminant import Classes
from models.surface_defect.head import Head, fit
from models.surface_defect.picture import Picture, decode_base64, resize
from models.surface_defect.variant import IMAGE
from models.surface_defect.variant import load as load_variant
from models.surface_defect.views import training_views
from models.training_data import TrainingDataMissing, record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# Differs from the seed and the pictures on which layers and settings were tuned.
SEED = 9_000
DRAWS = 10
SHOTS = (5, 10, 20, 50)
DEFAULT_SHOTS = 10
# Train on test-set numbers up to the first, test from above the second: no neighbouring pictures.
NUMBER_RANGES = (200, 240)
UNFAMILIAR_BELOW = 0.05
TIMED_PICTURES = 100
DIGITS = 4

Rows = NDArray[np.intp]
Metrics = dict[str, Any]
Heads = Sequence[tuple[Head, Rows]]
"""Heads with the rows that they are tested on."""
BOARD_SHOTS, BOARD_TESTS = 20, 30


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Pictures and the features of their training views, [pictures, views, features]."""

    dataset: Dataset
    backbone: Backbone
    views: Features

    @classmethod
    def from_dataset(cls, dataset: Dataset, backbone: Backbone) -> "Benchmark":
        """Resize the pictures and extract the features of their views."""
        pictures = (resize(Image.fromarray(grey)) for grey in dataset.grey)
        views = [backbone.extract_features(training_views(picture)) for picture in pictures]
        return cls(dataset, backbone, np.stack(views))

    @property
    def truth(self) -> Classes:
        """Return the class indices, [pictures]."""
        return self.dataset.truth

    def head(self, rows: Rows) -> Head:
        """Fit a head on these pictures, which contain all classes."""
        return fit(self.views[rows], self.truth[rows], LABELS, self.backbone.identity).head


def evaluate(dataset: Dataset, backbone: Backbone) -> Metrics:
    """Return every metric of the model card, ready for JSON."""
    bench = Benchmark.from_dataset(dataset, backbone)
    test_rows = np.flatnonzero(dataset.test_mask)
    heads = [
        (bench.head(rows), others)
        for rows, others in random_splits(bench.truth, test_rows, DEFAULT_SHOTS)
    ]
    return {
        "data": {"sha256": dict(dataset.sha256), "pictures": len(dataset.truth)},
        "backbone": {"identity": backbone.identity, "features": backbone.width},
        "kept_apart": few_shot(bench, np.flatnonzero(dataset.test_mask)),
        "all_pictures": few_shot(bench, np.arange(len(dataset.truth))),
        "no_neighbours": accuracy_without_neighbours(bench),
        "changed": altered_picture_metrics(bench, heads),
        "unknown_class": unknown_class_metrics(bench),
        "no_surface": non_surface_metrics(bench, heads),
        "generated_boards": board_metrics(backbone),
        "cost": measure_cost(bench),
    }


def few_shot(bench: Benchmark, among: Rows, shots: Sequence[int] = SHOTS) -> Metrics:
    """Return accuracy and calibration of heads by number of training pictures per class.

    Heads are trained on random pictures of `among` and tested on the others.
    """
    return {str(count): _few_shot_metrics(bench, among, count) for count in shots}


def random_splits(truth: Classes, among: Rows, shots: int) -> Iterator[tuple[Rows, Rows]]:
    """Yield DRAWS random splits: `shots` pictures of each class, in drawing order, and the rest."""
    for draw in range(DRAWS):
        generator = np.random.default_rng(SEED + draw)
        drawn = [
            generator.choice(among[truth[among] == label], shots, replace=False)
            for label in np.unique(truth[among])
        ]
        rows = np.concatenate(drawn)
        yield rows, np.setdiff1d(among, rows)


def accuracy_without_neighbours(bench: Benchmark) -> Metrics:
    """Return the accuracy when training and test pictures come from separate number ranges."""
    last_train, last_excluded = NUMBER_RANGES
    number = bench.dataset.number
    train_rows = np.flatnonzero(bench.dataset.test_mask & (number <= last_train))
    test_rows = np.flatnonzero(number > last_excluded)
    accuracies = [
        _accuracy(bench, bench.head(rows), test_rows)
        for rows, _ in random_splits(bench.truth, train_rows, DEFAULT_SHOTS)
    ]
    return _accuracy_statistics(accuracies)


def altered_picture_metrics(bench: Benchmark, heads: Heads) -> Metrics:
    """Return accuracy and the share flagged as unfamiliar when test pictures are altered.

    The classifier heads were fitted on unaltered pictures.
    """
    test_rows = np.flatnonzero(bench.dataset.test_mask)
    return {
        name: _altered_metrics(bench, heads, test_rows, alter)
        for name, alter in ALTERATIONS.items()
    }


def unknown_class_metrics(bench: Benchmark) -> Metrics:
    """Return how often pictures of unknown and of known classes are called unfamiliar.

    Each class in turn is excluded from training and counts as unknown.
    """
    test_rows = np.flatnonzero(bench.dataset.test_mask)
    unknown, known, confidence = [], [], []
    for hidden in range(len(LABELS)):
        shown = test_rows[bench.truth[test_rows] != hidden]
        for rows, others in random_splits(bench.truth, shown, DEFAULT_SHOTS):
            # Class indices without the hidden class.
            truth = bench.truth[rows] - (bench.truth[rows] > hidden)
            names = [label for at, label in enumerate(LABELS) if at != hidden]
            head = fit(bench.views[rows], truth, names, bench.backbone.identity).head
            predictions = head.predict(bench.views[test_rows[bench.truth[test_rows] == hidden], 0])
            unknown.append(np.mean(predictions.familiarity < UNFAMILIAR_BELOW))
            confidence.append(predictions.probabilities.max(axis=1).mean())
            known.append(
                np.mean(head.predict(bench.views[others, 0]).familiarity < UNFAMILIAR_BELOW)
            )
    return {
        "unknown_called_unfamiliar": _round(np.mean(unknown)),
        "known_called_unfamiliar": _round(np.mean(known)),
        "probability_told_of_unknown": _round(np.mean(confidence)),
    }


def non_surface_metrics(bench: Benchmark, heads: Heads) -> Metrics:
    """Return the share of synthetic pictures without a surface that is called unfamiliar."""
    features = bench.backbone.extract_features(
        resize(Image.fromarray(picture)) for picture in non_surface_pictures(SEED)
    )
    unfamiliar = [
        np.mean(head.predict(features).familiarity < UNFAMILIAR_BELOW) for head, _ in heads
    ]
    return {"pictures": len(features), "called_unfamiliar": _round(np.mean(unfamiliar))}


def board_metrics(backbone: Backbone) -> Metrics:
    """Return the accuracy on generated boards, with BOARD_SHOTS training pictures a class."""
    names = tuple(DEFECTS)
    train, test = range(BOARD_SHOTS), range(BOARD_SHOTS, BOARD_SHOTS + BOARD_TESTS)
    learned = [_board(name, seed) for name in names for seed in train]
    views = np.stack([backbone.extract_features(training_views(one)) for one in learned])
    truth = np.repeat(np.arange(len(names)), BOARD_SHOTS)
    fitted = fit(views, truth, names, backbone.identity)
    asked = backbone.extract_features(_board(name, seed) for name in names for seed in test)
    predicted = fitted.head.predict(asked).probabilities.argmax(axis=1)
    right = predicted == np.repeat(np.arange(len(names)), BOARD_TESTS)
    by_label = {
        name: _round(part.mean())
        for name, part in zip(names, np.split(right, len(names)), strict=True)
    }
    return {
        "right": _round(right.mean()),
        "held_out": _round(fitted.held_out.accuracy),
        "by_label": by_label,
    }


def _board(defect: str, seed: int) -> Picture:
    """Return a generated board, resized."""
    return resize(Image.fromarray(draw_board(defect, seed)))


def measure_cost(bench: Benchmark) -> Metrics:
    """Measure CPU milliseconds per picture, from base64 to label, and CPU seconds to fine-tune."""
    rows, others = next(random_splits(bench.truth, np.arange(len(bench.truth)), DEFAULT_SHOTS))
    lines = [_training_line(bench, at) for at in rows]
    with tempfile.TemporaryDirectory() as folder:
        adapter = SurfaceAdapter(_convert_backbone(Path(folder)))
        started = time.thread_time()
        artefact = adapter(b"\n".join(lines), lambda message: None).artefact
        seconds = time.thread_time() - started
    variant = load_variant(artefact, bench.backbone)
    small = [_jpeg(bench.dataset.grey[at], 200) for at in others[:TIMED_PICTURES]]
    large = [_jpeg(bench.dataset.grey[at], 1600) for at in others[:TIMED_PICTURES]]
    return {
        "bytes": len(artefact),
        "seconds_to_adapt": _round(seconds),
        "adapted_from": len(rows),
        "ms_jpeg_200_pixels_square": _cpu_milliseconds(
            lambda text: variant.run(_image_column(text)), small
        ),
        "ms_jpeg_1600_pixels_square": _cpu_milliseconds(
            lambda text: variant.run(_image_column(text)), large
        ),
        "ms_to_decode_1600_pixels_square": _cpu_milliseconds(decode_base64, large),
    }


def _few_shot_metrics(bench: Benchmark, among: Rows, shots: int) -> Metrics:
    """Return accuracy and calibration metrics for one number of training pictures a class."""
    accuracies, calibration = [], []
    for rows, others in random_splits(bench.truth, among, shots):
        probabilities = bench.head(rows).predict(bench.views[others, 0]).probabilities
        truth = bench.truth[others]
        accuracies.append(float(np.mean(probabilities.argmax(axis=1) == truth)))
        confidence = float(probabilities.max(axis=1).mean())
        calibration.append(
            {"mean_probability": confidence, **calibration_metrics(probabilities, truth)}
        )
    means = {
        name: _round(np.mean([metrics[name] for metrics in calibration])) for name in calibration[0]
    }
    return {**_accuracy_statistics(accuracies), **means}


def _altered_metrics(bench: Benchmark, heads: Heads, test_rows: Rows, alter: Alteration) -> Metrics:
    """Return mean accuracy and unfamiliar share of heads on altered pictures of `test_rows`."""
    features = bench.backbone.extract_features(
        resize(Image.fromarray(alter_picture(bench.dataset.grey[row], alter))) for row in test_rows
    )
    accuracies, unfamiliar = [], []
    for head, rows in heads:
        predictions = head.predict(features[np.searchsorted(test_rows, rows)])
        accuracies.append(np.mean(predictions.probabilities.argmax(axis=1) == bench.truth[rows]))
        unfamiliar.append(np.mean(predictions.familiarity < UNFAMILIAR_BELOW))
    return {
        "right": _round(np.mean(accuracies)),
        "worst": _round(np.min(accuracies)),
        "called_unfamiliar": _round(np.mean(unfamiliar)),
    }


def _accuracy(bench: Benchmark, head: Head, rows: Rows) -> float:
    """Return the accuracy of a head on the rows."""
    predicted = head.predict(bench.views[rows, 0]).probabilities.argmax(axis=1)
    return float(np.mean(predicted == bench.truth[rows]))


def _jpeg(grey: NDArray[np.uint8], side: int) -> str:
    """Encode a picture as a square JPEG in base64."""
    file = BytesIO()
    Image.fromarray(grey).resize((side, side)).convert("RGB").save(file, "JPEG", quality=90)
    return base64.b64encode(file.getvalue()).decode()


def _training_line(bench: Benchmark, row: int) -> bytes:
    """Return a training-file line of one picture."""
    text, label = _jpeg(bench.dataset.grey[row], 200), LABELS[bench.truth[row]]
    return f'{{"image": "{text}", "label": "{label}"}}'.encode()


def _image_column(text: str) -> dict[str, NDArray[Any]]:
    """Return a request's input columns for one picture in base64."""
    return {IMAGE: np.array([text], dtype=object)}


def _cpu_milliseconds(call: Callable[[str], object], texts: Sequence[str]) -> Metrics:
    """Return median and 99th percentile of the CPU milliseconds per call."""
    milliseconds = []
    for text in texts:
        started = time.thread_time()
        call(text)
        milliseconds.append((time.thread_time() - started) * 1_000)
    return {
        "p50": round(float(np.median(milliseconds)), 1),
        "p99": round(float(np.quantile(milliseconds, 0.99)), 1),
    }


def _accuracy_statistics(accuracies: Sequence[float]) -> Metrics:
    """Return mean, standard deviation and minimum of accuracies."""
    return {
        "right": _round(np.mean(accuracies)),
        "deviation": _round(np.std(accuracies)),
        "worst": _round(np.min(accuracies)),
    }


def _round(value: float | np.floating[Any]) -> float:
    """Round a metric to DIGITS decimals."""
    return round(float(value), DIGITS)


def _convert_backbone(folder: Path) -> Path:
    """Convert the packaged backbone into the folder and return its path."""
    path = folder / "backbone.onnx"
    convert(packaged_weights(), path)
    return path


def measure(directory: Path) -> Metrics:
    """Return the metrics on `directory`'s data. Raises TrainingDataMissing, BackboneMissing."""
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(load(directory), open_backbone(_convert_backbone(Path(folder))))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `metrics.json` and print it."""
    record_metrics(
        arguments,
        "Evaluate classifier heads fitted on a few images.",
        METRICS,
        measure,
        reported_errors=(TrainingDataMissing, BackboneMissing),
    )


if __name__ == "__main__":
    main()
