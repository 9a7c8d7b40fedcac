"""What a specialist model declares in its Open Inference Protocol metadata."""

from uuid import UUID

import msgspec

from gateway.call.values import ResolvedModel
from gateway.upstream.model_metadata import ModelMetadata
from infra.errors import AppError
from models.signature import BYTES, GridField, Signature, TimeField
from models.tables.instances import ModelInput


class DeclaredInput(TimeField, frozen=True):
    """An input that a specialist declares, as forms and tables use it."""

    @property
    def is_number(self) -> bool:
        """Whether the input is a single number per row."""
        return self.length is None and self.datatype not in (BYTES, "BOOL")

    def as_column(self) -> ModelInput:
        """Return the input as a column of a table."""
        return ModelInput(
            self.name,
            is_text=self.datatype == BYTES,
            steps=self.length,
            is_optional=self.optional,
            unit=self.unit,
            day_order=self.day_order,
        )


class _Signature(msgspec.Struct, frozen=True):
    """The signature in a model's metadata; a server may leave out each part."""

    inputs: tuple[DeclaredInput, ...] = ()
    outputs: tuple[GridField, ...] = ()
    version: str = ""


class _Parameters(msgspec.Struct, frozen=True):
    """The parameters in a model's metadata."""

    signature: _Signature = _Signature()


class _ModelMetadata(msgspec.Struct, frozen=True):
    """The part of a specialist model's metadata (Open Inference Protocol) that is read."""

    parameters: _Parameters = _Parameters()


_METADATA_DECODER = msgspec.json.Decoder(_ModelMetadata)


def parse_signature(metadata: bytes) -> Signature:
    """Return the signature in a model's metadata. Raises msgspec.DecodeError, UnicodeDecodeError.

    Its inputs are DeclaredInput, its outputs GridField.
    """
    declared = _METADATA_DECODER.decode(metadata).parameters.signature
    return Signature(declared.inputs, declared.outputs, declared.version)


def parse_declared_inputs(metadata: bytes) -> tuple[DeclaredInput, ...]:
    """Return the inputs in a model's metadata. Raises msgspec.DecodeError, UnicodeDecodeError."""
    return _METADATA_DECODER.decode(metadata).parameters.signature.inputs


async def fetch_declared_inputs(
    model_metadata: ModelMetadata, resolved: ResolvedModel, account_id: UUID
) -> tuple[DeclaredInput, ...] | None:
    """Fetch a specialist model's declared inputs; None if the model does not respond."""
    try:
        status, body = await model_metadata.fetch(resolved, account_id, "")
        inputs = parse_declared_inputs(body)
    except (AppError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return inputs if status == 200 else None
