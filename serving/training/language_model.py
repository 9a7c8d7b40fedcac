"""Fine-tuning of a language model's adapter, in the process and on the device of the training."""

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from models.adaptation import Adaptation, AdaptFunction, ProgressCallback
from models.industrial_llm.recipes import find_recipe
from serving.specialists.loader import ModelSource
from serving.text.adapter_store import AdapterSettings, read_adapter_settings

_MODULE = "models.industrial_llm.adapt"


@dataclass(frozen=True, slots=True)
class LanguageModelAdapter:
    """Fine-tunes the industrial language model.

    Imports torch and the training code only when called, because they take hundreds of megabytes,
    which the operations process need not hold. `base` is the folder or hub id of the base weights,
    `base_name` the public name of the base model, whose hyperparameters are used. `parent` is the
    folder of the adapter to continue from (empty: start from the base), `mixing` the interpolation
    from parent (0) to result (1). `gpus` is the share of a GPU that the training needs, 0 to train
    on the CPU.
    """

    base: str
    base_name: str
    parent: str = ""
    mixing: float = 1.0
    gpus: float = 0.0

    @classmethod
    def for_source(cls, source: ModelSource) -> "LanguageModelAdapter":
        """Return the fine-tuning of a catalog model. Raises BaseModelUnsupported."""
        recipe = find_recipe(required_settings(source).base_model_name_or_path)
        return cls(source.base or "", recipe.base, source.location, gpus=source.training_gpus)

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Train on a file in JSON lines; return the variant."""
        torch = import_module("torch")
        if not self.gpus:
            # Ray limits a task without CPUs of its own to one thread.
            torch.set_num_threads(training_threads(os.cpu_count() or 1))
        elif self.gpus < 1:
            # Beyond its share the training fails; otherwise the engine on the same GPU would.
            torch.cuda.set_per_process_memory_fraction(self.gpus)
        parent = Path(self.parent) if self.parent else None
        device = "cuda" if self.gpus else "cpu"
        train: AdaptFunction = import_module(_MODULE).create_fine_tuner(
            self.base, parent, self.mixing, self.base_name, device
        )
        return train(training_file, progress)


def required_settings(source: ModelSource) -> AdapterSettings:
    """Return the LoRA settings that adapters of a language model must have.

    They are those of the industry adapter. Without one they are the base model's, and the engine
    checks the layers. Raises BaseModelUnsupported.
    """
    if source.location:
        return read_adapter_settings(Path(source.location))
    recipe = find_recipe(source.base_name or source.base or "")
    return AdapterSettings(recipe.base, recipe.rank, None)


def training_threads(cpus: int) -> int:
    """Return the number of torch threads for training a language model's adapter.

    At low priority training yields CPU time to inference, but with a thread on every CPU it would
    also take the memory bandwidth.
    """
    return min(cpus, max(2, cpus // 2))


def required_gpus(adapter: AdaptFunction) -> float:
    """Return the share of a GPU that a training function needs; 0 if it trains on the CPU."""
    return adapter.gpus if isinstance(adapter, LanguageModelAdapter) else 0.0
