"""Learn from tasks: a list-wise loss over all lines of a document and `no line answers`.

Of some answered questions the answering lines are left out, so that the rest of the document does
not answer them; of others, lines that do not answer, as a search leaves them out.
"""

import random
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from models.line_reader.training.network import LEFT_OUT, LineNetwork
from models.line_reader.training.tasks import Task

_QUESTIONS = 48
_ANSWER_LEFT_OUT, _LINES_LEFT_OUT, _MIN_LINES = 0.15, 0.3, 8
_WARM_UP, _LAST_RATE, _DECAY, _MAX_NORM = 30, 0.02, 0.01, 1.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast: a rate of zero fixes the layers."""

    epochs: int
    layer_rate: float
    head_rate: float


HEADS = Schedule(epochs=4, layer_rate=0.0, head_rate=3e-3)
LAYERS = Schedule(epochs=6, layer_rate=2e-4, head_rate=7e-4)


def learn(
    network: LineNetwork, tasks: Sequence[Task], schedule: Schedule, state: Path
) -> Generator[float, None, None]:
    """Learn and yield the mean loss of each epoch.

    After each epoch the state is stored: an ended training goes on from there. Deterministic on one
    thread.
    """
    optimizer = _optimizer(network, schedule)
    first = _restore(network, optimizer, state)
    for epoch in range(first, schedule.epochs):
        rng = random.Random(epoch)  # noqa: S311 - no secret
        torch.manual_seed(epoch)
        batches = list(_batches(tasks, rng))
        losses = []
        network.train()
        for step, batch in enumerate(batches):
            _set_rate(optimizer, schedule, epoch * len(batches) + step, len(batches))
            loss = batch_loss(network, batch, rng)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), _MAX_NORM)
            optimizer.step()
            losses.append(loss.item())
        _store(network, optimizer, epoch + 1, state)
        yield sum(losses) / len(losses)


def average(one: LineNetwork, other: LineNetwork, share: float) -> None:
    """Change `one` to the average, with this share of `other`: right as often, wrong less often."""
    theirs = other.state_dict()
    mixed = {
        name: (1 - share) * mine + share * theirs[name] for name, mine in one.state_dict().items()
    }
    one.load_state_dict(mixed)


def batch_loss(network: LineNetwork, task: Task, rng: random.Random) -> torch.Tensor:
    """Return the mean loss of a task's questions, with lines left out at random."""
    hidden = torch.stack([_left_out(answers, rng) for answers in task.answers])
    right = task.answers & ~hidden
    right = torch.cat([~right.any(1, keepdim=True), right], 1)
    scores = network(task.lines, task.questions, task.features, hidden)
    among = scores.masked_fill(~right, LEFT_OUT)
    return (torch.logsumexp(scores, 1) - torch.logsumexp(among, 1)).mean()


def _left_out(answers: torch.Tensor, rng: random.Random) -> torch.Tensor:
    """Return which lines are left out for a question."""
    count = len(answers)
    hidden = torch.zeros(count, dtype=torch.bool)
    if count > _MIN_LINES and rng.random() < _LINES_LEFT_OUT:
        hidden[:] = True
        hidden[rng.sample(range(count), rng.randint(_MIN_LINES, count))] = False
        hidden &= ~answers
    if answers.any() and count - int(answers.sum()) > 1 and rng.random() < _ANSWER_LEFT_OUT:
        hidden |= answers
    return hidden


def _batches(tasks: Sequence[Task], rng: random.Random) -> Iterator[Task]:
    """Yield parts of tasks in random order, each of one document."""
    parts: list[tuple[Task, list[int]]] = []
    for task in tasks:
        order = list(range(len(task.questions)))
        rng.shuffle(order)
        starts = range(0, len(order), _QUESTIONS)
        parts += [(task, order[start : start + _QUESTIONS]) for start in starts]
    rng.shuffle(parts)
    for task, part in parts:
        yield task.part(part)


def _optimizer(network: LineNetwork, schedule: Schedule) -> torch.optim.Optimizer:
    layers = list(network.layers.parameters())
    for parameter in layers:
        parameter.requires_grad_(schedule.layer_rate > 0)
    named = network.named_parameters()
    heads = [one for name, one in named if not name.startswith("layers.")]
    groups = [{"params": layers}, {"params": heads}]
    return torch.optim.AdamW(groups, lr=schedule.head_rate, weight_decay=_DECAY)


def _set_rate(
    optimizer: torch.optim.Optimizer, schedule: Schedule, step: int, steps_per_epoch: int
) -> None:
    """Set the rates of a step: they rise at first, and then fall in a straight line."""
    share = step / (schedule.epochs * steps_per_epoch)
    factor = min(1.0, (step + 1) / _WARM_UP) * max(_LAST_RATE, 1 - share)
    rates = (schedule.layer_rate, schedule.head_rate)
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor


def _store(network: LineNetwork, optimizer: torch.optim.Optimizer, epoch: int, state: Path) -> None:
    """Store the state beside the old one, and then in its place."""
    stored = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
    new = state.with_suffix(".new")
    torch.save(stored, new)
    new.replace(state)


def _restore(network: LineNetwork, optimizer: torch.optim.Optimizer, state: Path) -> int:
    """Load a stored state and return the epoch that follows it; 0 without one."""
    if not state.exists():
        return 0
    stored = torch.load(state, weights_only=True)
    network.load_state_dict(stored["network"])
    optimizer.load_state_dict(stored["optimizer"])
    return int(stored["epoch"])
