"""The network that is trained: the encoder's upper layers, and the heads that compare tokens.

`models/line_reader/layers.py`, `encoding.py` and `comparing.py` compute the same in NumPy.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.line_reader.encoder_file import EncoderFile, Floats
from models.line_reader.features import LINE_FEATURES
from models.line_reader.layers import MATRICES, NORMS, Layer

LEFT_OUT = -1e4
_WIDTH, _INNER, _QUESTION_FACTS = 128, 24, 9
_PREFIX_TOKENS, _NEAR, _WEIGHT_OFFSET, _MAX_LEAD = 4, 0.6, 0.5, 20.0
_NEARNESS_FEATURES = 3
_BATCH, _DROPOUT = 16, 0.1


class _TrainedLayer(nn.Module):
    """One layer of the encoder."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.heads = layer.sizes.heads
        for name in MATRICES:
            inputs, outputs = layer.weights[f"{name}.w"].shape
            self.add_module(name, nn.Linear(inputs, outputs))
        for name in NORMS:
            size = layer.weights[f"{name}.w"].shape[0]
            self.add_module(name, nn.LayerNorm(size, eps=layer.sizes.epsilon))
        self.dropout = nn.Dropout(_DROPOUT)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                source = layer.weights[name.replace("weight", "w").replace("bias", "b")]
                parameter.copy_(torch.from_numpy(source.T if source.ndim > 1 else source))

    def forward(self, states: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        texts, tokens, hidden = states.shape
        shape = (texts, tokens, self.heads, hidden // self.heads)
        part = self.get_submodule
        query, key, value = (part(one)(states).view(shape).transpose(1, 2) for one in "qkv")
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=present[:, None, None, :]
        )
        mixed = part("ao")(mixed.transpose(1, 2).reshape(texts, tokens, hidden))
        states = part("aln")(states + self.dropout(mixed))
        inner = functional.gelu(part("fi")(states))
        result: torch.Tensor = part("oln")(states + self.dropout(part("fo")(inner)))
        return result

    def layer(self, base: Layer) -> Layer:
        """Return the weights as the product's layer."""
        weights = {}
        for name, parameter in self.named_parameters():
            array = parameter.detach().float().numpy()
            key = name.replace("weight", "w").replace("bias", "b")
            weights[key] = np.ascontiguousarray(array.T)
        return Layer(weights, base.sizes)


class LineNetwork(nn.Module):
    """Scores the lines of a document, and that none of them answers."""

    def __init__(self, file: EncoderFile, layers: Sequence[Layer]) -> None:
        super().__init__()
        hidden = file.sizes.hidden
        self.layers = nn.ModuleList(_TrainedLayer(layer) for layer in layers)
        self.project = nn.Linear(hidden, _WIDTH)
        self.weight, self.asked = nn.Linear(hidden, 1), nn.Linear(hidden, 1)
        for one in (self.weight, self.asked):
            nn.init.zeros_(one.weight)
            nn.init.zeros_(one.bias)
        self.alpha = nn.Parameter(torch.tensor(8.0))
        self.beta = nn.Parameter(torch.tensor(15.0))
        self.words = _small_network(LINE_FEATURES)
        self.none = _small_network(LINE_FEATURES + _QUESTION_FACTS)

    def heads(self) -> Mapping[str, Floats]:
        """Return the parameters outside the layers by name, as the reader takes them."""
        named = self.state_dict().items()
        return {name: one.numpy() for name, one in named if not name.startswith("layers.")}

    def trained_layers(self, bases: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return the layers as the reader takes them; `bases` are those that they began from."""
        layers = (one for one in self.layers if isinstance(one, _TrainedLayer))
        return tuple(one.layer(base) for one, base in zip(layers, bases, strict=True))

    @torch.no_grad()
    def start(self, states: Sequence[torch.Tensor]) -> None:
        """Start the projection from the principal directions of tokens' states."""
        tokens = torch.cat([self._advance([one])[0][0] for one in states])
        mean = tokens.mean(0)
        spread, directions = torch.linalg.eigh((tokens - mean).T @ (tokens - mean) / len(tokens))
        scaled = directions[:, -_WIDTH:] / spread[-_WIDTH:].clamp_min(1e-4).pow(0.25)
        self.project.weight[: scaled.shape[1]].copy_(scaled.T)
        self.project.bias[: scaled.shape[1]].copy_(-(mean @ scaled))

    def forward(
        self,
        lines: Sequence[torch.Tensor],
        questions: Sequence[torch.Tensor],
        features: torch.Tensor,
        hidden: torch.Tensor,
    ) -> torch.Tensor:
        """Return scores [questions, 1 + lines], of no line first.

        `lines` and `questions` are states below the trained layers. Of `features` [questions,
        lines, LINE_FEATURES] those that tell nearness are computed anew; `hidden` [questions,
        lines] are lines that are left out of the document.
        """
        tokens, present, vectors, _ = self._encode(lines)
        asked, is_asked, asked_vectors, weights = self._encode(questions)
        is_asked = _content(is_asked)
        present = present.clone()
        present[:, 0] = False
        near = torch.einsum("qiw,ljw->qilj", asked, tokens)
        near = near.masked_fill(~present[None, None], -1.0).max(-1).values
        near = near.masked_fill(hidden[:, None, :], -1.0)
        weights = weights * is_asked
        shares = weights / weights.sum(1, keepdim=True).clamp_min(1e-6)
        whole = asked_vectors @ vectors.T
        told = [_nearness_features(whole.detach(), hidden), features[..., _NEARNESS_FEATURES:]]
        features = torch.cat(told, 2)
        scores = self.alpha * (shares[..., None] * near).sum(1) + self.beta * whole
        scores = (scores + self.words(features)[..., 0]).masked_fill(hidden, LEFT_OUT)
        facts = _facts(near, shares, is_asked, whole, scores)
        best = scores.argmax(1)
        facts = torch.cat([features[torch.arange(len(best)), best], facts], 1)
        none = self.none(facts)[:, 0] + self.asked(asked_vectors)[:, 0] + scores.max(1).values
        return torch.cat([none[:, None], scores], 1)

    def _encode(
        self, states: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return unit vectors of tokens, which tokens exist, vectors of texts, tokens' weights."""
        padded, present = self._advance(states)
        vectors = functional.normalize((padded * present[..., None]).sum(1), dim=1)
        tokens = functional.normalize(self.project(padded), dim=-1)
        weights = functional.softplus(self.weight(padded)[..., 0] + _WEIGHT_OFFSET)
        return tokens, present, vectors, weights

    def _advance(self, states: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the states after the trained layers, padded, and which tokens exist."""
        order = sorted(range(len(states)), key=lambda index: len(states[index]))
        width, found = max(map(len, states)), []
        for start in range(0, len(order), _BATCH):
            part = [states[index].float() for index in order[start : start + _BATCH]]
            padded = nn.utils.rnn.pad_sequence(part, batch_first=True)
            present = _present(part)
            with torch.autocast("cpu", torch.bfloat16):
                for layer in self.layers:
                    padded = layer(padded, present)
            found.append(functional.pad(padded.float(), (0, 0, 0, width - padded.shape[1])))
        inverse = torch.tensor(np.argsort(order))
        return torch.cat(found)[inverse], _present(states)


def _present(states: Sequence[torch.Tensor]) -> torch.Tensor:
    lengths = torch.tensor([len(one) for one in states])
    return torch.arange(int(lengths.max()))[None] < lengths[:, None]


def _small_network(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, _INNER), nn.Tanh(), nn.Linear(_INNER, 1))


def _content(present: torch.Tensor) -> torch.Tensor:
    """Return which tokens are of the question itself: not of its prefix, nor its end."""
    inner = present.clone()
    inner[:, :_PREFIX_TOKENS] = False
    inner[torch.arange(len(inner)), present.sum(1) - 1] = False
    return inner


def _nearness_features(whole: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Return the first three features, as models/line_reader/features.py does."""
    seen = ~hidden
    count = seen.sum(1, keepdim=True)
    mean = (whole * seen).sum(1, keepdim=True) / count
    deviation = (((whole - mean) ** 2 * seen).sum(1, keepdim=True) / count).sqrt()
    ranks = whole.masked_fill(hidden, -2.0).argsort(1, descending=True).argsort(1)
    centred = (whole - mean) / (deviation + 1e-3)
    return torch.stack([centred, (whole - 0.85) * 10, 1.0 / (1 + ranks)], 2)


def _facts(
    near: torch.Tensor,
    shares: torch.Tensor,
    is_asked: torch.Tensor,
    whole: torch.Tensor,
    scores: torch.Tensor,
) -> torch.Tensor:
    """Return what tells whether the best line answers, as comparing.py does."""
    best = scores.argmax(1)
    rows = torch.arange(len(best))
    line, document = near[rows, :, best], near.max(2).values
    missing_line, missing = (functional.relu(_NEAR - one) for one in (line, document))
    first, second = scores.topk(2, 1).values.unbind(1)
    return torch.stack(
        [
            (shares * line).sum(1),
            (shares * document).sum(1),
            (shares * missing_line).sum(1) * 5,
            (shares * missing).sum(1) * 5,
            (shares * (document - line)).sum(1) * 5,
            line.masked_fill(~is_asked, 1.0).min(1).values,
            (first - second).clamp_max(_MAX_LEAD) / 4,
            (whole[rows, best] - 0.85) * 10,
            is_asked.sum(1) / 20.0,
        ],
        1,
    )
