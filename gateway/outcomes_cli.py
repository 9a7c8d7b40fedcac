"""`maas outcomes`: all that is about paying by effect, under one name.

Owns putting the commands together. Does not own any (gateway/contracts_cli.py,
gateway/evidence_cli.py, gateway/settlements_cli.py).
"""

import typer

from gateway.contracts_cli import contracts_app
from gateway.evidence_cli import attesters_app, evidence_app, make_key_files, sign_file
from gateway.settlements_cli import settlements_app

outcomes_app = typer.Typer(no_args_is_help=True)
outcomes_app.add_typer(contracts_app, name="contracts")
outcomes_app.add_typer(attesters_app, name="attesters")
outcomes_app.add_typer(evidence_app, name="evidence")
outcomes_app.add_typer(settlements_app)
outcomes_app.command("sign")(sign_file)
outcomes_app.command("make-keys")(make_key_files)
