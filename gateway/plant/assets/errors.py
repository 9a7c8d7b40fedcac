"""The errors of the plant model."""

from infra.errors import AppError
from models.problems import Problems, single_problem


class PlantModelInvalid(AppError):
    """A file or model cannot be imported, or a change is not valid. Nothing was changed.

    `problems` has the first problems and the total count.
    """

    status = 400
    type = "invalid_request_error"
    code = "plant_model_invalid"

    def __init__(self, problems: Problems, param: str | None = None) -> None:
        super().__init__(problems.summary, param=param)
        self.args = (problems.summary,)
        self.problems = problems
        self.details = {
            "problem_count": problems.count,
            "problems": [problem.as_json() for problem in problems.shown],
        }


class PlantNodeNotFound(AppError):
    """The account has no such asset, point, entity, relation or import."""

    status = 404
    type = "invalid_request_error"
    code = "plant_node_not_found"


class PlantKeyTaken(AppError):
    """An active asset, point or entity of the account has this code or tag."""

    status = 409
    type = "invalid_request_error"
    code = "plant_key_taken"


class PlantNodeRetired(AppError):
    """The asset, point or entity is retired, so that it cannot be changed."""

    status = 409
    type = "invalid_request_error"
    code = "plant_node_retired"


class AssetNotEmpty(AppError):
    """The asset has active parts or points, so that it cannot be retired alone."""

    status = 409
    type = "invalid_request_error"
    code = "plant_asset_not_empty"


class PlantChanged(AppError):
    """The plant model was changed after the preview of an import, which is therefore outdated."""

    status = 409
    type = "invalid_request_error"
    code = "plant_changed"


class ImportExpired(AppError):
    """The preview of an import is older than a day."""

    status = 409
    type = "invalid_request_error"
    code = "plant_import_expired"


class ImportNotReady(AppError):
    """The file of the import is being read, or could not be read. Nothing was changed."""

    status = 409
    type = "invalid_request_error"
    code = "plant_import_not_ready"


class ExportTooLarge(AppError):
    """The plant model has more rows than an Excel export may have."""

    status = 400
    type = "invalid_request_error"
    code = "plant_export_too_large"


class ImportBusy(AppError):
    """This gateway process reads or writes other imports. Nothing was changed."""

    status = 503
    code = "plant_import_busy"

    def __init__(self) -> None:
        super().__init__(
            "Other imports are in progress. Retry in a minute.", headers={"retry-after": "30"}
        )


def invalid(message: str, fix: str, field: str) -> PlantModelInvalid:
    """Return the error of a single problem with a field. `message` is a `sentence`."""
    return PlantModelInvalid(single_problem("invalid_value", message, fix, field), field)
