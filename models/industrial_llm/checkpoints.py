"""How far a training has come, on the disk.

Owns that a training which was killed goes on where its last checkpoint was, with the same result as
one that was not, and that half a checkpoint is never taken for a whole one.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

FILE = "checkpoint.pt"


class CheckpointUnfit(ValueError):
    """A checkpoint of another training, or a broken one."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """After `step` steps: the adapter's weights, the optimizer's state, and the mean so far."""

    step: int
    adapter: dict[str, Any]
    optimizer: dict[str, Any]
    mean: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """In `folder`, of the training with this fingerprint."""

    folder: Path
    fingerprint: str

    def save(self, one: Checkpoint) -> None:
        """Replace the last one, at once and whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = self.folder / f".{FILE}.partial"
        content = {
            "fingerprint": self.fingerprint,
            "step": one.step,
            "adapter": one.adapter,
            "optimizer": one.optimizer,
            "mean": one.mean,
        }
        with scratch.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.folder / FILE)

    def last(self) -> Checkpoint | None:
        """The last one; None where there is none. Raises CheckpointUnfit."""
        path = self.folder / FILE
        if not path.is_file():
            return None
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # of a broken file torch raises whatever it stumbles over
            raise CheckpointUnfit(f"{path} cannot be read; remove it to begin anew.") from error
        if content["fingerprint"] != self.fingerprint:
            raise CheckpointUnfit(
                f"{path} is of a training with other examples or settings; name another folder, "
                "or remove it to begin anew."
            )
        del content["fingerprint"]
        return Checkpoint(**content)

    def clear(self) -> None:
        """Forget it: the training is done."""
        (self.folder / FILE).unlink(missing_ok=True)
