"""Hyperparameters by base model."""

import pytest

from models.industrial_llm.data import TASKS
from models.industrial_llm.recipes import (
    EXAMPLES_OF_LARGE_BASE,
    RANK,
    RECIPES,
    BaseModelUnsupported,
    Recipe,
    find_recipe,
)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
class TestRecipes:
    def test_recipe_is_found_by_hub_id_and_by_a_folder_of_that_name(self, recipe: Recipe) -> None:
        base = recipe.base
        name = base.rpartition("/")[2]
        for named in (base, base.lower(), f"/srv/weights/{name}", f"{name}/"):
            assert find_recipe(named) is recipe

    def test_recipe_has_rounds_of_every_task_and_a_rank_of_the_engine(self, recipe: Recipe) -> None:
        assert set(recipe.rounds) == set(TASKS)
        assert set(recipe.examples) <= set(TASKS)
        assert 0 < recipe.rank <= RANK


def test_limits_of_examples_name_every_task() -> None:
    assert set(EXAMPLES_OF_LARGE_BASE) == set(TASKS)


@pytest.mark.parametrize("base", ["", "/", "maker/Qwen3.5-9B-FP8", "/srv/secret/other-7b", "9B"])
def test_unknown_base_is_refused_with_the_known_ones(base: str) -> None:
    with pytest.raises(BaseModelUnsupported) as error:
        find_recipe(base)
    assert (error.value.status, error.value.code) == (400, "base_model_unsupported")
    assert all(recipe.base in error.value.message for recipe in RECIPES.values())
    assert "/srv" not in error.value.message
