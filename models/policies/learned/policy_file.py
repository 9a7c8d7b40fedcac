"""A learned policy as a file, bound to the account, agent, asset and costs it was learned for."""

import hashlib
import json
from dataclasses import asdict, dataclass

import msgspec
import numpy as np

from models.policies.learned.outcomes import ACTIONS
from models.policies.learned.policy import LearnedPolicy
from models.policies.maintenance.costs import MaintenanceCosts

FORMAT = "maas.agent-policy.v1"
MAX_FEATURES = 60
_DIGITS = 12


class PolicyFileInvalid(ValueError):
    """A file that is no policy of this agent; the message says why."""


class PolicyFileForeign(PolicyFileInvalid):
    """A policy that was learned for another account, agent, asset or other costs."""


@dataclass(frozen=True, slots=True)
class PolicyBinding:
    """What a policy was learned for: public ids, and the fingerprint of the stated costs."""

    account: str
    agent: str
    asset: str
    costs: str


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    account: str
    agent: str
    asset: str
    costs: str
    features: list[str]
    lows: list[float]
    highs: list[float]
    centres: list[float]
    spreads: list[float]
    weights: list[list[float]]
    scale: float


def fingerprint_of_costs(costs: MaintenanceCosts) -> str:
    """Return the SHA-256 of stated costs; any change to them gives another one."""
    return hashlib.sha256(json.dumps(asdict(costs), sort_keys=True).encode()).hexdigest()


def write_policy(policy: LearnedPolicy, binding: PolicyBinding) -> bytes:
    """Return the file of a policy, JSON; the same policy gives the same bytes."""
    content = _Content(
        format=FORMAT,
        account=binding.account,
        agent=binding.agent,
        asset=binding.asset,
        costs=binding.costs,
        features=list(policy.features),
        lows=_rounded(policy.lows),
        highs=_rounded(policy.highs),
        centres=_rounded(policy.centres),
        spreads=_rounded(policy.spreads),
        weights=[_rounded(row) for row in policy.weights],
        scale=float(policy.scale),
    )
    return msgspec.json.encode(content)


def read_policy(content: bytes, binding: PolicyBinding) -> LearnedPolicy:
    """Return the policy of a file. Raises PolicyFileInvalid, PolicyFileForeign."""
    try:
        read = msgspec.json.decode(content, type=_Content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PolicyFileInvalid(f"The file is no learned policy: {error}.") from error
    if read.format != FORMAT:
        raise PolicyFileInvalid(f"The file has the format `{read.format[:60]}`, not `{FORMAT}`.")
    _require_bound(read, binding)
    return _policy(read)


def _require_bound(read: _Content, binding: PolicyBinding) -> None:
    """Raise PolicyFileForeign unless a policy was learned for this plant and its costs."""
    for name, wanted in (
        ("account", binding.account), ("asset", binding.asset), ("agent", binding.agent)
    ):  # fmt: skip
        stated = getattr(read, name)
        if stated != wanted:
            raise PolicyFileForeign(
                f"The policy was learned for the {name} {stated[:60]}, not for {wanted}."
            )
    if read.costs != binding.costs:
        raise PolicyFileForeign("The policy was learned with other stated costs. Train it again.")


def _policy(read: _Content) -> LearnedPolicy:
    """Return the policy of a file's arrays. Raises PolicyFileInvalid for other shapes."""
    width = len(read.features)
    columns = [np.array(one) for one in (read.lows, read.highs, read.centres, read.spreads)]
    try:
        weights = np.array(read.weights, dtype=np.float64)
    except ValueError as error:
        raise PolicyFileInvalid("The weights of the file are no table of numbers.") from error
    fits = (
        0 < width <= MAX_FEATURES
        and len(set(read.features)) == width
        and all(column.shape == (width,) for column in columns)
        and weights.shape == (len(ACTIONS), width + 1)
    )
    if not fits or not all(np.isfinite(one).all() for one in (*columns, weights)):
        raise PolicyFileInvalid("The arrays of the file do not fit each other.")
    if read.scale <= 0 or not np.isfinite(read.scale) or (columns[3] <= 0).any():
        raise PolicyFileInvalid("`scale` and `spreads` are above 0.")
    lows, highs, centres, spreads = columns
    return LearnedPolicy(tuple(read.features), lows, highs, centres, spreads, weights, read.scale)


def _rounded(values: np.ndarray) -> list[float]:
    """Return numbers with so many digits that the file is the same on every machine."""
    return [float(f"{value:.{_DIGITS}g}") for value in values]
