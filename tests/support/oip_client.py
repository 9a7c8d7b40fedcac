"""NVIDIA's unmodified Open Inference Protocol client for a test's gateway."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tritonclient.http as triton

from tests.support.builders import SPECIALIST, Gateway


def infer(gateway: Gateway, binary: bool, *rows: Mapping[str, Any]) -> triton.InferResult:
    """Run the failure classifier on rows, after the usual client checks. Blocks."""
    server = triton.InferenceServerClient(gateway.url.removeprefix("http://"))
    headers = {"Authorization": f"Bearer {gateway.key.secret}"}
    try:
        assert server.is_server_live()
        assert server.is_model_ready(SPECIALIST, headers=headers)
        metadata = server.get_model_metadata(SPECIALIST, headers=headers)
        assert {tensor["name"] for tensor in metadata["inputs"]} == set(rows[0])
        inputs = [_tensor(name, [row[name] for row in rows], binary) for name in rows[0]]
        return server.infer(SPECIALIST, inputs, headers=headers)
    finally:
        server.close()


def _tensor(name: str, values: list[Any], binary: bool) -> triton.InferInput:
    text = isinstance(values[0], str)
    tensor = triton.InferInput(name, [len(values)], "BYTES" if text else "FP32")
    array = np.array(values, dtype=np.object_ if text else np.float32)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor
