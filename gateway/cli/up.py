"""`maas up`: start the whole service on this machine."""

from gateway.cli.output import Output
from gateway.cli.runner import command
from gateway.cli.supervisor import run_service
from infra.settings import Settings


@command
def up_all(settings: Settings, output: Output) -> None:
    """Start the whole service on this machine.

    Runs the database, gateway, worker and models until you press Ctrl-C. The first start creates an
    account with an API key and a link to set up the dashboard.
    """
    run_service(settings, output)
