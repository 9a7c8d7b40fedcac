"""Tree ensembles with contributions as an ONNX graph, compared with LightGBM."""

from collections.abc import Mapping
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from models.contributing_trees import ContributingTrees, build_contributing_trees, combine_ensembles
from models.onnx_graph import tensor_info, to_model
from models.onnx_session import open_session
from models.reason_fields import REASON_COUNT
from models.reasons import reason_constants, reason_nodes

Floats = NDArray[np.float32]
NAMES = ("steady", "noise", "second", "first", "other")


def rows(seed: int, count: int = 600) -> Floats:
    return np.random.default_rng(seed).normal(size=(count, len(NAMES))).astype(np.float32)


def booster(objective: str, label: NDArray[Any], **more: Any) -> lgb.Booster:
    parameters = {"objective": objective, "num_threads": 1, "verbosity": -1, "seed": 1, **more}
    return lgb.train(parameters, lgb.Dataset(rows(1), label=label), 30)


def binary() -> lgb.Booster:
    at = rows(1)
    return booster("binary", (2 * at[:, 3] + at[:, 2] > 0).astype(int))


def three_classes() -> lgb.Booster:
    at = rows(1)
    return booster("multiclass", np.digitize(at[:, 3] + at[:, 2], (-0.5, 0.5)), num_class=3)


def contributions(model: lgb.Booster, at: Floats) -> tuple[Floats, NDArray[np.float64]]:
    trees = build_contributing_trees(model, "features", "told")
    return answered(trees, at), trees.base


def answered(trees: ContributingTrees, at: Floats) -> Floats:
    width = len(trees.base) * len(NAMES)
    graph = to_model(
        "trees",
        [trees.node],
        [tensor_info("features", len(NAMES))],
        [tensor_info("told", width)],
        {},
        producer="tests",
        signature="{}",
    )
    (told,) = open_session(graph.SerializeToString()).run(None, {"features": at})
    return np.asarray(told)


def reasons(told: Floats, unusable: NDArray[np.bool_]) -> tuple[Any, Any]:
    graph = to_model(
        "reasons",
        list(reason_nodes("told", "unusable", "reasons", "contributions")),
        [tensor_info("told", len(NAMES)), tensor_info("unusable", 1, kind=TensorProto.BOOL)],
        [
            tensor_info("reasons", REASON_COUNT, kind=TensorProto.STRING),
            tensor_info("contributions", REASON_COUNT),
        ],
        reason_constants(NAMES),
        producer="tests",
        signature="{}",
    )
    feed: Mapping[str, Any] = {"told": told, "unusable": unusable}
    named, signed = open_session(graph.SerializeToString()).run(None, feed)
    return named, signed


class TestTreeContributions:
    def test_contributions_sum_to_raw_score(self) -> None:
        at, model = rows(2), binary()
        told, base = contributions(model, at)
        expected = model.predict(at, raw_score=True)
        np.testing.assert_allclose(told.sum(axis=1) + base, expected, atol=1e-5)

    def test_contributions_sum_to_raw_score_per_class(self) -> None:
        at, model = rows(2), three_classes()
        told, base = contributions(model, at)
        scores = told.reshape(-1, 3, len(NAMES)).sum(axis=2) + base
        np.testing.assert_allclose(scores, model.predict(at, raw_score=True), atol=1e-5)

    def test_irrelevant_features_have_little_or_no_contribution(self) -> None:
        """A feature unrelated to the label contributes little; an unused feature contributes 0."""
        told, _ = contributions(binary(), rows(2))
        strength = np.abs(told).mean(axis=0)
        assert strength.argmax() == NAMES.index("first")
        assert strength[NAMES.index("second")] > 5 * strength[NAMES.index("noise")]
        constant = rows(1)
        constant[:, 0] = 7
        model = lgb.train(
            {"objective": "binary", "verbosity": -1, "num_threads": 1},
            lgb.Dataset(constant, label=(constant[:, 3] > 0).astype(int)),
            10,
        )
        assert not contributions(model, rows(2))[0][:, 0].any()

    def test_single_split_contributes_difference_from_mean(self) -> None:
        label = np.where(rows(1)[:, 3] <= 0.3, 1.0, 5.0)
        exactly = {"max_bin": 1000, "min_data_in_bin": 1, "learning_rate": 1.0}
        model = booster("regression", label, num_leaves=2, **exactly)
        told, base = contributions(model, np.array([[0, 0, 0, -1, 0], [0, 0, 0, 1, 0]], "f4"))
        assert base == pytest.approx([label.mean()], abs=1e-4)
        assert told[:, 3] + base == pytest.approx([1, 5], abs=1e-3)

    def test_threshold_between_adjacent_floats_is_compared_exactly(self) -> None:
        """A double-precision threshold may lie between two adjacent single-precision numbers, and
        the nearest of them may be above it."""
        edges = np.array([0.1, np.nextafter(np.float32(0.1), np.float32(1))], dtype=np.float32)
        for low, high in (edges, -edges[::-1]):
            at = np.zeros((400, len(NAMES)), dtype=np.float32)
            at[:200, 3], at[200:, 3] = low, high
            data = lgb.Dataset(at, label=np.repeat([0.0, 1.0], 200))
            model = lgb.train({"verbosity": -1, "num_threads": 1, "learning_rate": 1.0}, data, 1)
            told, base = contributions(model, at)
            expected = model.predict(at, raw_score=True)
            np.testing.assert_allclose(told.sum(axis=1) + base, expected, atol=1e-6)

    def test_trees_without_splits_leave_the_base(self) -> None:
        model = booster("regression", np.full(600, 3.0))
        assert contributions_base(model) == pytest.approx([3.0])

    def test_categorical_splits_are_rejected(self) -> None:
        at = rows(1)
        at[:, 0] = np.arange(600) % 4
        data = lgb.Dataset(at, label=(at[:, 0] == 2) * 1.0, categorical_feature=[0])
        model = lgb.train({"verbosity": -1, "num_threads": 1, "min_data_per_group": 1}, data, 2)
        with pytest.raises(ValueError, match="categories"):
            build_contributing_trees(model, "features", "told")


class TestTreeReasons:
    def test_reasons_are_strongest_contributions_with_sign(self) -> None:
        told = np.array([[0.1, -3, 0, 2, 0.5], [0, 0, -1, 0, -2]], dtype=np.float32)
        named, signed = reasons(told, np.zeros((2, 1), dtype=bool))
        assert named.tolist()[0] == ["noise", "first", "other"]
        assert signed.tolist()[0] == [-3, 2, 0.5]
        assert named.tolist()[1][:2] == ["other", "second"]

    def test_unusable_row_has_no_reasons(self) -> None:
        told = np.ones((2, len(NAMES)), dtype=np.float32)
        named, signed = reasons(told, np.array([[True], [False]]))
        assert named[0].tolist() == [""] * REASON_COUNT
        assert np.isnan(signed).tolist() == [[True] * REASON_COUNT, [False] * REASON_COUNT]


def contributions_base(model: lgb.Booster) -> NDArray[np.float64]:
    return build_contributing_trees(model, "features", "told").base


class TestCombinedEnsembles:
    def test_combined_contributions_are_weighted_sum(self) -> None:
        at = rows(2)
        other = booster("binary", (rows(1)[:, 4] > 0).astype(int))
        parts = [build_contributing_trees(one, "features", "told") for one in (binary(), other)]
        trees = combine_ensembles([(0.5, parts[0]), (2.0, parts[1])])
        apart = [answered(one, at) for one in parts]
        assert answered(trees, at) == pytest.approx(0.5 * apart[0] + 2 * apart[1], abs=1e-5)
        assert trees.base == pytest.approx(0.5 * parts[0].base + 2 * parts[1].base)

    def test_trees_without_splits_add_only_their_base(self) -> None:
        nothing = booster("binary", (rows(1)[:, 0] > 0).astype(int), min_data_in_leaf=10_000)
        parts = [build_contributing_trees(one, "features", "told") for one in (binary(), nothing)]
        trees = combine_ensembles([(1.0, one) for one in parts])
        assert np.array_equal(answered(trees, rows(2)), answered(parts[0], rows(2)))

    def test_ensembles_with_different_class_counts_are_rejected(self) -> None:
        parts = [
            build_contributing_trees(one, "features", "t") for one in (binary(), three_classes())
        ]
        with pytest.raises(ValueError, match="targets"):
            combine_ensembles([(1.0, one) for one in parts])
