"""`maas up`: start the whole service on this machine, also with another language model."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.models.served import (
    ModelNotObtainable,
    ServedModel,
    find_served_model,
    render_catalog_file,
)
from gateway.cli.output import Output
from gateway.cli.process.supervisor import run_service
from gateway.cli.runner import command
from infra.settings import Settings
from models.catalog import Task, load_configured_catalog

_FILE = "served-model.toml"


@command
def up_all(
    settings: Settings,
    output: Output,
    model: Annotated[
        str | None,
        typer.Option(help="Also serve this language model: a Hugging Face ID or a folder."),
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Serve no language model but that of --model.")
    ] = False,
) -> None:
    """Start the whole service on this machine.

    Runs the database, gateway, worker and models until you press Ctrl-C. The first start creates an
    account with an API key and a link to set up the dashboard.
    """
    if model is None:
        if only:
            raise typer.BadParameter("needs --model.", param_hint="--only")
        run_service(settings, output)
        return
    if settings.serving_url is not None:
        raise ModelNotObtainable(
            "MAAS_SERVING_URL names other model servers, so no model is served here. Unset it to "
            "use --model."
        )
    served = find_served_model(model)
    file = _write_catalog_file(settings, served, only)
    run_service(
        settings.model_copy(update={"catalog": (*settings.catalog, file)}), output, served.id
    )


def _write_catalog_file(settings: Settings, served: ServedModel, only: bool) -> Path:
    """Write the catalog file of a model into the data directory and return its path.

    Raises CatalogInvalid.
    """
    own_servers = load_configured_catalog(settings).run_by_own_servers()
    language_models = own_servers.with_task(Task.TEXT_GENERATION)
    prices, replaced = language_models[0].prices, language_models if only else ()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    file = settings.data_dir / _FILE
    draft = file.with_suffix(".partial")
    draft.write_text(
        render_catalog_file(served, settings.profile, prices, replaced), encoding="utf-8"
    )
    draft.replace(file)
    return file
