"""A plant model as JSON: the complete export, the input of an import, and stored previews."""

import msgspec

from gateway.plant.assets.values import PlantModel
from infra.validation_errors import parse_validation_error
from models.problems import Problem, Problems
from models.sentences import sentence

_DECODER = msgspec.json.Decoder(PlantModel)


def encode_model(model: PlantModel) -> bytes:
    """Return a model as JSON with `assets`, `points`, `entities` and `relations`."""
    return msgspec.json.encode(model)


def decode_model(content: bytes, problems: Problems) -> PlantModel:
    """Return the model of a JSON document, an empty one with a problem if it is not valid."""
    try:
        return _DECODER.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except msgspec.ValidationError as error:
        misfit = parse_validation_error(str(error))
        message = sentence("{field}: {what}.", field=misfit.path or "model", what=misfit.what)
        problems.add(
            Problem("invalid_model", message, sentence("Correct it."), field=misfit.path or None)
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = sentence("The file is not valid JSON: {error}.", error=str(error)[:200])
        problems.add(Problem("invalid_json", message, sentence("Save it again.")))
    return PlantModel()
