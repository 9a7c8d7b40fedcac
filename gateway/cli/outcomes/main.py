"""`maas outcomes`: the group of commands for outcome contracts; each is imported when used."""

import typer

from gateway.cli.lazy_group import Command, lazy_group

_COMMANDS = (
    Command(
        "contracts",
        "gateway.cli.outcomes.contracts:contracts_app",
        "Contracts that are paid by effect.",
    ),
    Command(
        "attesters",
        "gateway.cli.outcomes.evidence:attesters_app",
        "Whose word counts for a contract.",
    ),
    Command(
        "evidence",
        "gateway.cli.outcomes.evidence:evidence_app",
        "What attesters said, signed.",
    ),
    Command(
        "disputes",
        "gateway.cli.outcomes.disputes:outcomes_disputes",
        "An account's disputes, the newest first.",
    ),
    Command(
        "dispute",
        "gateway.cli.outcomes.disputes:outcomes_dispute",
        "Dispute a settlement, or outcomes of it, in the customer's name.",
    ),
    Command(
        "answer",
        "gateway.cli.outcomes.disputes:outcomes_answer",
        "Answer a dispute, as the operator.",
    ),
    Command(
        "reply",
        "gateway.cli.outcomes.disputes:outcomes_reply",
        "Reply to the answer, in the customer's name.",
    ),
    Command(
        "decide",
        "gateway.cli.outcomes.disputes:outcomes_decide",
        "Decide a dispute of which both sides have spoken.",
    ),
    Command(
        "concede",
        "gateway.cli.outcomes.disputes:outcomes_concede",
        "Agree with the other side, which wins.",
    ),
    Command(
        "claim",
        "gateway.cli.outcomes.settlements:outcomes_claim",
        "Claim an outcome by signed evidence.",
    ),
    Command(
        "confirm",
        "gateway.cli.outcomes.settlements:outcomes_confirm",
        "Confirm an outcome by signed evidence.",
    ),
    Command(
        "deny",
        "gateway.cli.outcomes.settlements:outcomes_deny",
        "Refuse an outcome that is not confirmed, by signed evidence.",
    ),
    Command(
        "reverse",
        "gateway.cli.outcomes.settlements:outcomes_reverse",
        "Take an outcome back, by signed evidence.",
    ),
    Command(
        "list",
        "gateway.cli.outcomes.settlements:outcomes_list",
        "An account's outcomes, refused ones too, the newest first.",
    ),
    Command(
        "settlements",
        "gateway.cli.outcomes.settlements:outcomes_settlements",
        "What contracts came to by the month, the newest first.",
    ),
    Command(
        "settle",
        "gateway.cli.outcomes.settlements:outcomes_settle",
        "Do now what the jobs do: settle, end disputes, charge.",
    ),
    Command(
        "bundle",
        "gateway.cli.outcomes.settlements:outcomes_bundle",
        "Write a settlement's evidence bundle.",
    ),
    Command(
        "replay",
        "gateway.cli.outcomes.settlements:outcomes_replay",
        "Compute a settlement again from its bundle alone.",
    ),
    Command(
        "sign",
        "gateway.cli.outcomes.evidence:sign_file",
        "Sign a file as evidence.",
    ),
    Command(
        "make-keys",
        "gateway.cli.outcomes.evidence:make_key_files",
        "Make an attester's key pair.",
    ),
)
outcomes_app = typer.Typer(cls=lazy_group(_COMMANDS), no_args_is_help=True)


@outcomes_app.callback()
def outcomes() -> None:
    """Paid by effect: contracts, evidence and settlements."""
