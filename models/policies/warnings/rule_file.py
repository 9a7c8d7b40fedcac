"""A learned warning rule as a file: JSON, bound to the account and asset that it is for."""

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from models.policies.warnings.calibration import Calibration
from models.policies.warnings.history import Floats, HistoryInvalid
from models.policies.warnings.learned import WarningPolicy
from models.policies.warnings.rule import WarningRule
from models.policies.warnings.scores import read_score

FORMAT = "maas-warning-rule/1"
# The longest file that is read, and the most normal ticks of it.
MAX_BYTES, MAX_NORMAL = 16_000_000, 2_000


def write_rule(rule: WarningRule, bound_to: str) -> bytes:
    """Return the file of a rule. bound_to: the account and asset that it is for."""
    policy = rule.policy
    return msgspec.json.encode(
        {
            "format": FORMAT,
            "bound_to": bound_to,
            "sensors": list(rule.sensors),
            "kind": policy.name,
            "score": policy.score.fields(),
            "threshold": policy.threshold,
            "pause": policy.pause,
            "calibration": rule.calibration.fields(),
            "normal": _packed(rule.normal),
            "low": rule.low.tolist(),
            "high": rule.high.tolist(),
        }
    )


def read_rule(content: bytes, bound_to: str) -> WarningRule:
    """Return the rule of a file. Raises HistoryInvalid for one that was made for something else."""
    if len(content) > MAX_BYTES:
        raise HistoryInvalid("The file is too large.")
    try:
        fields = msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise HistoryInvalid("The file is not valid JSON.") from error
    if fields.get("format") != FORMAT:
        raise HistoryInvalid(f"The file does not have the format {FORMAT}.")
    if fields.get("bound_to") != bound_to:
        raise HistoryInvalid("The file is for another account or asset.")
    try:
        return _rule(fields)
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error) as error:
        raise HistoryInvalid("The file is damaged.") from error


def _rule(fields: Mapping[str, Any]) -> WarningRule:
    """Return the rule of its fields."""
    sensors = tuple(str(one) for one in fields["sensors"])
    score = read_score(fields["score"], len(sensors))
    policy = WarningPolicy(
        str(fields["kind"]), score, float(fields["threshold"]), int(fields["pause"])
    )
    normal = _unpacked(fields["normal"], len(sensors))
    low, high = np.array(fields["low"], np.float64), np.array(fields["high"], np.float64)
    if len(low) != len(sensors) or len(high) != len(sensors):
        raise ValueError("ranges")
    calibration = Calibration.read(fields["calibration"])
    return WarningRule(sensors, policy, calibration, normal, low, high)


def _packed(rows: Floats) -> str:
    """Return rows as compressed text."""
    return base64.b64encode(zlib.compress(rows.astype("<f8").tobytes())).decode()


def _unpacked(text: str, sensors: int) -> Floats:
    """Return the rows of `_packed`, [ticks, sensors]."""
    content = zlib.decompressobj().decompress(base64.b64decode(text), MAX_NORMAL * sensors * 8)
    return np.frombuffer(content, "<f8").astype(np.float64).reshape(-1, sensors)
