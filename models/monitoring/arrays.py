"""Arrays of an artefact, in float32."""

import msgspec
import numpy as np

from models.monitoring.components import Floats


class StoredArray(msgspec.Struct, frozen=True):
    """An array of one or two axes, in little-endian float32."""

    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, values: Floats) -> "StoredArray":
        """Return an array as it is stored."""
        return cls(values.shape, values.astype("<f4").tobytes())

    @property
    def values(self) -> Floats:
        """The array. Raises ValueError if the bytes do not have its shape."""
        return np.frombuffer(self.data, "<f4").astype(np.float64).reshape(self.shape)
