"""Open ONNX graphs on the CPU; importing this module imports no library of training."""

import onnxruntime


def open_session(artefact: str | bytes) -> onnxruntime.InferenceSession:
    """Open a graph, given as a path or as its bytes, on one thread.

    The graphs run for milliseconds: a pool of threads would only compete with the language model.
    Raises several unrelated exception classes of ONNX Runtime.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # One memory arena for each of thousands of variants would take most of their memory.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(artefact, options, providers=["CPUExecutionProvider"])
