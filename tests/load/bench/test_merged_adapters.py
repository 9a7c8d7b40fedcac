"""The catalog file by which another adapter is merged in place of the sold one."""

from pathlib import Path

from load.bench.industrial_llm.__main__ import render_override
from models.catalog import Task, load_catalog


def test_override_changes_only_the_adapter(tmp_path: Path) -> None:
    texts = load_catalog("cpu").with_task(Task.TEXT_GENERATION)
    sold = next(model for model in texts if model.weights.adapter is not None)
    file = tmp_path / "other.toml"
    file.write_text(render_override(sold, tmp_path / "adapter"))
    found = load_catalog("cpu", operator_files=[file]).models[sold.id]
    assert found.weights.adapter == str(tmp_path / "adapter")
    assert (found.weights.sha256, found.weights.packages) == (
        sold.weights.sha256,
        sold.weights.packages,
    )
    assert (found.prices, found.engine) == (sold.prices, sold.engine)
