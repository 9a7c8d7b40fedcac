"""`maas models evaluate`: score a model on a file of questions with expected answers.

The command quotes and queues the run for an account, as the API does; a running gateway executes
it. Separate from gateway/cli/models/commands.py, because quoting needs the gateway's components.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gateway.cli.billing.billed_runs import (
    confirm,
    load_principal,
    open_components,
    require_gateway,
    with_servers,
)
from gateway.cli.models.evaluation_tables import evaluation_report, quote_report
from gateway.cli.output import Output
from gateway.cli.results import Report
from gateway.cli.runner import command
from gateway.components import Components
from gateway.evaluations import results, runs
from gateway.evaluations.new_runs import create_run
from gateway.evaluations.offers import EvaluationOffer, new_run
from gateway.evaluations.report import build_report
from gateway.evaluations.views import audit_details, models_of, result_json, run_json
from gateway.identity.audit_log import CLI_ACTOR, record_audit_event
from gateway.tables import EvaluationRun
from gateway.wire.evaluations import DEFAULT_MAX_TOKENS, RunRequest, parse_run_request
from infra import ids
from infra.installation import migrated_database_url
from infra.settings import Settings
from models.evaluation.question_file import MAX_QUESTIONS

_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class _Order:
    """A requested run: the questions, and the account and key that pay, None for the defaults."""

    request: RunRequest
    filename: str
    content: bytes
    account: str | None
    key: str | None


@command
def models_evaluate(
    settings: Settings,
    output: Output,
    model: Annotated[str, typer.Argument(help="ID of the model to evaluate.")],
    on: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="JSON lines: questions, expected answers."),
    ],
    against: Annotated[
        str | None, typer.Option(help="ID of another model to compare with.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="Account that pays (ID or name). Default: the only account.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="API key ID (key_…) that pays. Default: the newest one.")
    ] = None,
    max_cost: Annotated[
        str | None, typer.Option(help="Most that the run may cost, e.g. 0.50.")
    ] = None,
    max_tokens: Annotated[
        int, typer.Option(help="Most output tokens of each answer.")
    ] = DEFAULT_MAX_TOKENS,
    scoring: Annotated[str, typer.Option(help="auto, exact, contains, number or choice.")] = "auto",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    quote: Annotated[bool, typer.Option("--quote", help="Show the cost only.")] = False,
) -> Report:
    """Evaluate a model on your own questions.

    Shows the cost and asks before it starts. A running gateway executes the run, also if this
    command is ended.
    """
    fields = {"model": model, "file": "", "against": against, "scoring": scoring}
    limits = {"max_tokens": max_tokens, "max_cost": max_cost}
    request = parse_run_request(msgspec.json.encode({**fields, **limits}))
    # A file name that is not UTF-8 cannot be stored.
    filename = on.name.encode(errors="replace").decode()
    order = _Order(request, filename, on.read_bytes(), account, key)
    with migrated_database_url(settings) as url:
        return asyncio.run(_evaluate(with_servers(settings, url), output, order, yes, quote))


async def _evaluate(
    settings: Settings, output: Output, order: _Order, yes: bool, quote_only: bool
) -> Report:
    """Quote a run, create it and wait for its end."""
    async with open_components(settings) as parts:
        principal = await load_principal(parts, order.account, order.key)
        offers = parts.evaluation_offers
        offer = await offers.create_offer_for_content(principal, order.request, order.content)
        quote = quote_report(await offers.render_quote(offer))
        if quote_only:
            return quote
        await require_gateway(parts)
        if not yes:
            confirm(output, quote, "evaluation")
        run = await _create_run(parts, offer, order)
        # Ctrl-C ends the command, not the run.
        with suppress(asyncio.CancelledError):
            await _wait_for_end(parts, output, run)
        return await _load_report(parts, run)


async def _create_run(parts: Components, offer: EvaluationOffer, order: _Order) -> EvaluationRun:
    """Create the run with its audit entry."""
    async with parts.database.transaction() as session:
        run = await create_run(session, parts.clock, new_run(offer, None, order.filename))
        subject = ids.format_id(runs.RUN_ID_PREFIX, run.id)
        await record_audit_event(
            session,
            parts.clock,
            CLI_ACTOR,
            run.account_id,
            "evaluation.created",
            subject,
            audit_details(run),
        )
    return run


async def _wait_for_end(parts: Components, output: Output, run: EvaluationRun) -> None:
    """Wait until the run has ended, and show its progress."""
    total = run.questions * len(models_of(run))
    while True:
        async with parts.database.transaction() as session:
            is_open = await runs.is_open(session, run)
            figures = await results.list_figures(session, run)
        finished = build_report(figures, len(models_of(run))).finished
        if not output.is_json:
            output.report_stage("evaluating", "Answering questions", finished / total)
        if not is_open:
            return
        await asyncio.sleep(_POLL_S)


async def _load_report(parts: Components, run: EvaluationRun) -> Report:
    """Return the run's results with all questions."""
    async with parts.database.transaction() as session:
        public_id = ids.format_id(runs.RUN_ID_PREFIX, run.id)
        row = await runs.find_run(session, run.account_id, public_id)
        figures = await results.list_figures(session, row)
        questions = await results.list_results(session, row, MAX_QUESTIONS)
        fields: dict[str, Any] = run_json(row, build_report(figures, len(models_of(row))))
        items = [result_json(row, result) for result in questions]
    return evaluation_report(fields, items)
