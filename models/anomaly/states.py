"""A detector's state as a short text, which a client keeps and gives back with its next call.

It is sealed with the variant's own key: a text of another variant, or one that was cut or changed,
is recognised. That is no secrecy; there is nothing in it but the client's readings.
"""

import base64
import hashlib
from dataclasses import dataclass

import numpy as np

from models.anomaly.detector import Floats

_SEAL = 8
_NUMBER = np.dtype("<f8")
_ALPHABET = b"-_"


class StateInvalid(ValueError):
    """The text is no state of this variant, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Writes and reads the states of one variant, of `sensors` sensors."""

    key: bytes
    sensors: int

    @classmethod
    def of(cls, artefact: bytes, sensors: int) -> "Sealer":
        return cls(hashlib.blake2b(artefact, digest_size=32).digest(), sensors)

    def write(self, average: Floats, baseline: Floats) -> str:
        """One machine's state, each [sensors]; some 22 characters for each sensor."""
        body = np.concatenate([average, baseline]).astype(_NUMBER).tobytes()
        return base64.b64encode(self._seal(body) + body, _ALPHABET).decode()

    def read(self, text: str) -> tuple[Floats, Floats]:
        """What `write` was given. Raises StateInvalid."""
        try:
            sealed = base64.b64decode(text, _ALPHABET, validate=True)
        except ValueError as error:
            raise StateInvalid("It is no text that a state is written as.") from error
        seal, body = sealed[:_SEAL], sealed[_SEAL:]
        if len(body) != 2 * self.sensors * _NUMBER.itemsize or seal != self._seal(body):
            raise StateInvalid("It is of another variant, or was changed.")
        numbers = np.frombuffer(body, _NUMBER).astype(np.float64)
        return numbers[: self.sensors], numbers[self.sensors :]

    def _seal(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, key=self.key, digest_size=_SEAL).digest()
