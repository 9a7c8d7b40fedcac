"""Store training checkpoints on disk.

A killed training resumes at its last checkpoint with the same result. Files are replaced
atomically, so that a partial checkpoint is never read.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

FILE = "checkpoint.pt"


class CheckpointMismatch(ValueError):
    """A checkpoint of another training, or one that cannot be read."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after `step` steps: adapter weights, optimizer state and mean of the weights."""

    step: int
    adapter: dict[str, Any]
    optimizer: dict[str, Any]
    mean: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CheckpointStore:
    """Stores the latest checkpoint of the training with this fingerprint in a folder."""

    folder: Path
    fingerprint: str

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the stored checkpoint atomically."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{FILE}.partial"
        content = {
            "fingerprint": self.fingerprint,
            "step": checkpoint.step,
            "adapter": checkpoint.adapter,
            "optimizer": checkpoint.optimizer,
            "mean": checkpoint.mean,
        }
        with partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.folder / FILE)

    def load_latest(self) -> Checkpoint | None:
        """Load the latest checkpoint. Returns None if none is stored. Raises CheckpointMismatch."""
        path = self.folder / FILE
        if not path.is_file():
            return None
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises various exceptions for a broken file
            raise CheckpointMismatch(f"{path} is damaged. Remove it to start again.") from error
        if content["fingerprint"] != self.fingerprint:
            raise CheckpointMismatch(
                f"{path} belongs to a training run with other examples or settings. Use "
                "another folder, or remove it to start again."
            )
        del content["fingerprint"]
        return Checkpoint(**content)

    def delete(self) -> None:
        """Delete the checkpoint of a finished training."""
        (self.folder / FILE).unlink(missing_ok=True)
