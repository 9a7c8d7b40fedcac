"""Encode a detector's state as a short token, which the client sends back with its next call.

The token carries a MAC keyed by the variant, so that a token of another variant, or one that was
truncated or changed, is rejected. It is not encrypted: it contains only the client's own readings.
"""

import base64
import hashlib
from dataclasses import dataclass

import numpy as np

from models.anomaly.detector import Floats

_SEAL_BYTES = 8
_NUMBER = np.dtype("<f8")
_ALPHABET = b"-_"


class StateInvalid(ValueError):
    """Raised if a token is not a complete state of this variant."""


@dataclass(frozen=True, slots=True)
class StateSealer:
    """Encoder and decoder of one variant's state tokens; `sensors` is the number of sensors."""

    key: bytes
    sensors: int

    @classmethod
    def for_artefact(cls, artefact: bytes, sensors: int) -> "StateSealer":
        """Return the sealer of a variant, with a MAC key derived from its artefact."""
        return cls(hashlib.blake2b(artefact, digest_size=32).digest(), sensors)

    def encode(self, average: Floats, baseline: Floats) -> str:
        """Encode one machine's average and baseline, [sensors] each, in 22 characters a sensor."""
        body = np.concatenate([average, baseline]).astype(_NUMBER).tobytes()
        return base64.b64encode(self._seal(body) + body, _ALPHABET).decode()

    def decode(self, text: str) -> tuple[Floats, Floats]:
        """Decode a token to average and baseline, [sensors] each. Raises StateInvalid."""
        try:
            payload = base64.b64decode(text, _ALPHABET, validate=True)
        except ValueError as error:
            raise StateInvalid("The text is not a valid state.") from error
        seal, body = payload[:_SEAL_BYTES], payload[_SEAL_BYTES:]
        if len(body) != 2 * self.sensors * _NUMBER.itemsize or seal != self._seal(body):
            raise StateInvalid("The state belongs to another fine-tuned model or was changed.")
        values = np.frombuffer(body, _NUMBER).astype(np.float64)
        return values[: self.sensors], values[self.sensors :]

    def _seal(self, body: bytes) -> bytes:
        """Return the MAC of a state."""
        return hashlib.blake2b(body, key=self.key, digest_size=_SEAL_BYTES).digest()
