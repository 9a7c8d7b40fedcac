"""Response bodies of metered calls, for the OpenAPI document only.

They extend the structs that meter a response (usage.py, inference.py), so that both stay
consistent. Responses are not validated against them; gateway/wire/answer_fields.py defines the
fields that are passed on. Docstrings here are part of the OpenAPI document.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.wire.file_search.citations import PassageSource
from gateway.wire.inference import InferRequest, InferResponse, InputTensor, OutputTensor
from gateway.wire.usage import MeteredResponse
from models.grounding.answer import Grounding

TensorElement = float | str | bool | None
_DATATYPE = "BOOL, INT64, FP32, FP64 or BYTES (text)"


class FunctionCall(msgspec.Struct):
    """The function that the model calls; `arguments` is JSON text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct):
    """One call of a tool."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class FileCitation(msgspec.Struct):
    """A verified citation of a passage; `index` is the place of its mark in the content."""

    type: Literal["file_citation"]
    index: int
    file_id: str
    filename: str
    source: PassageSource
    passage: int


class FileSearchPassage(msgspec.Struct):
    """A passage that the model was given; `cited` if the answer cites it."""

    passage: int
    file_id: str
    filename: str
    source: PassageSource
    score: float
    attributes: dict[str, str | float | bool]
    text: str
    cited: bool


class FileSearchResults(msgspec.Struct):
    """The passages of an answer, and how the answer relates to them."""

    queries: list[str]
    results: list[FileSearchPassage]
    grounding: Grounding


class ChatResponseMessage(msgspec.Struct):
    """The model's message. `reasoning_content` is the same as `reasoning`."""

    role: Literal["assistant"]
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    annotations: list[FileCitation] | UnsetType = UNSET


class ChatChoice(msgspec.Struct):
    """One of the `n` choices."""

    index: int
    message: ChatResponseMessage
    finish_reason: str | None = None


AnswerSource = Literal["verified", "composed", "asked", "client_call", "plain"]


class FigureObject(msgspec.Struct):
    """A figure of a decision with its unit and interval."""

    name: str
    value: float | str | list[float]
    unit: str | None
    interval: tuple[float, float] | None


class DecisionObject(msgspec.Struct, kw_only=True):
    """What a specialist decided for a chat (docs/hosted-tools.md); several rows are in `rows`."""

    object: Literal["decision"]
    id: str | None
    model: str
    version: str
    task: str | None
    request_id: str
    cost: str
    currency: str
    status: Literal["completed", "failed"]
    verdict: Literal["yes", "no", "label", "value", "uncertain"] | None
    decided: str | UnsetType = UNSET
    probability: float | UnsetType | None = UNSET
    figures: list[FigureObject] | UnsetType = UNSET
    reasons: list[str] | UnsetType = UNSET
    outside_trained_range: list[dict[str, Any]] | UnsetType = UNSET
    inputs: dict[str, Any] | UnsetType = UNSET
    rows: list[dict[str, Any]] | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET


class ConsultationObject(msgspec.Struct, kw_only=True):
    """A repeated search of a chat with specialists, or a question to another language model."""

    object: Literal["consultation"]
    type: Literal["file_search", "model"]
    request_ids: list[str]
    cost: str
    currency: str
    status: Literal["completed", "failed"]
    query: str | UnsetType = UNSET
    passages: list[int] | UnsetType = UNSET
    model: str | UnsetType = UNSET
    question: str | UnsetType = UNSET
    answer: str | UnsetType | None = UNSET
    error: dict[str, Any] | UnsetType = UNSET


class AssetInputsObject(msgspec.Struct, kw_only=True):
    """What was read from an asset's points for one specialist, and what is missing."""

    model: str
    at: str
    inputs: list[dict[str, Any]]
    missing: list[dict[str, Any]]


class AskedAssetObject(msgspec.Struct, kw_only=True):
    """The asset that a chat names (docs/plant-predictions.md), or several that it may mean."""

    id: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    models: list[AssetInputsObject] | UnsetType = UNSET
    ambiguous: list[dict[str, str]] | UnsetType = UNSET


class ChatCompletion(MeteredResponse, kw_only=True):
    """The response of `/v1/chat/completions` without `stream`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    file_search: FileSearchResults | UnsetType = UNSET
    x_maas_answer: AnswerSource | UnsetType = UNSET
    x_maas_decisions: list[DecisionObject] | UnsetType = UNSET
    x_maas_consulted: list[ConsultationObject] | UnsetType = UNSET
    x_maas_missing: list[str] | UnsetType = UNSET
    x_maas_asset: AskedAssetObject | UnsetType = UNSET
    x_maas_cost: str | UnsetType = UNSET
    x_maas_currency: str | UnsetType = UNSET
    x_maas_balance: str | UnsetType = UNSET


class TextChoice(msgspec.Struct):
    """One of the `n` choices."""

    index: int
    text: str
    finish_reason: str | None = None


class TextCompletion(MeteredResponse, kw_only=True):
    """The response of `/v1/completions` without `stream`."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]


class EmbeddingItem(msgspec.Struct):
    """One vector; base64 text of little-endian floats with `encoding_format: "base64"`."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(MeteredResponse, kw_only=True):
    """The response of `/v1/embeddings`: one vector for each input, in order."""

    object: Literal["list"]
    model: str
    data: list[EmbeddingItem]


class PredictionUsage(msgspec.Struct):
    """The billed quantity of the call: rows or images."""

    rows: int | UnsetType = UNSET
    images: int | UnsetType = UNSET


class PredictionList(msgspec.Struct):
    """The response of `/v1/predictions`: one object for each row, in order."""

    id: str
    object: Literal["prediction"]
    model: str
    predictions: list[dict[str, Any]]
    usage: PredictionUsage


class InferenceTensor(InputTensor):
    """One input tensor. `data` is omitted if the values follow in binary form."""

    data: list[TensorElement | list[TensorElement]] | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET


class InferenceRequest(InferRequest):
    """The body of `/v2/models/{name}/infer`. All tensors have the same first dimension."""

    inputs: Annotated[list[InferenceTensor], Meta(min_length=1)]  # type: ignore[assignment]


class InferenceOutput(OutputTensor):
    """One output tensor."""

    datatype: Annotated[str, Meta(description=_DATATYPE)]
    shape: list[int]


class InferenceResponse(InferResponse):
    """The response of `/v2/models/{name}/infer`."""

    model_name: str
    outputs: list[InferenceOutput]  # type: ignore[assignment]
