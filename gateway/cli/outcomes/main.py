"""`maas outcomes`: the group of commands for outcome contracts; each is imported when used."""

import typer

from gateway.cli.lazy_group import Command, lazy_group

_COMMANDS = (
    Command(
        "contracts",
        "gateway.cli.outcomes.contracts:contracts_app",
        "Manage outcome contracts.",
    ),
    Command(
        "attesters",
        "gateway.cli.outcomes.evidence:attesters_app",
        "Manage the attesters of a contract.",
    ),
    Command(
        "evidence",
        "gateway.cli.outcomes.evidence:evidence_app",
        "Manage signed evidence.",
    ),
    Command(
        "disputes",
        "gateway.cli.outcomes.disputes:outcomes_disputes",
        "List an account's disputes, newest first.",
    ),
    Command(
        "dispute",
        "gateway.cli.outcomes.disputes:outcomes_dispute",
        "Dispute a settlement on behalf of the customer.",
    ),
    Command(
        "answer",
        "gateway.cli.outcomes.disputes:outcomes_answer",
        "Answer a dispute as the operator.",
    ),
    Command(
        "reply",
        "gateway.cli.outcomes.disputes:outcomes_reply",
        "Reply to the answer on behalf of the customer.",
    ),
    Command(
        "decide",
        "gateway.cli.outcomes.disputes:outcomes_decide",
        "Decide a dispute.",
    ),
    Command(
        "concede",
        "gateway.cli.outcomes.disputes:outcomes_concede",
        "Concede a dispute to the other side.",
    ),
    Command(
        "claim",
        "gateway.cli.outcomes.settlements:outcomes_claim",
        "Claim an outcome with signed evidence.",
    ),
    Command(
        "confirm",
        "gateway.cli.outcomes.settlements:outcomes_confirm",
        "Confirm a claimed outcome with signed evidence.",
    ),
    Command(
        "deny",
        "gateway.cli.outcomes.settlements:outcomes_deny",
        "Deny a claimed outcome with signed evidence.",
    ),
    Command(
        "reverse",
        "gateway.cli.outcomes.settlements:outcomes_reverse",
        "Reverse a confirmed outcome with signed evidence.",
    ),
    Command(
        "list",
        "gateway.cli.outcomes.settlements:outcomes_list",
        "List an account's outcomes, newest first.",
    ),
    Command(
        "settlements",
        "gateway.cli.outcomes.settlements:outcomes_settlements",
        "List monthly settlements, newest first.",
    ),
    Command(
        "settle",
        "gateway.cli.outcomes.settlements:outcomes_settle",
        "Run the settlement jobs now.",
    ),
    Command(
        "bundle",
        "gateway.cli.outcomes.settlements:outcomes_bundle",
        "Download a settlement's evidence bundle.",
    ),
    Command(
        "statement",
        "gateway.cli.outcomes.settlements:outcomes_statement",
        "Write a settlement's statement as PDF or CSV.",
    ),
    Command(
        "replay",
        "gateway.cli.outcomes.settlements:outcomes_replay",
        "Recompute a settlement from its evidence bundle.",
    ),
    Command(
        "sign",
        "gateway.cli.outcomes.evidence:sign_file",
        "Sign a file as evidence.",
    ),
    Command(
        "make-keys",
        "gateway.cli.outcomes.evidence:make_key_files",
        "Create an attester's key pair.",
    ),
)
outcomes_app = typer.Typer(cls=lazy_group(_COMMANDS), no_args_is_help=True)


@outcomes_app.callback()
def outcomes() -> None:
    """Manage outcome contracts, evidence, settlements and disputes."""
