"""What a tick does beside its rules and its prediction: steps, a round, a draft, texts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from gateway.agents.definitions.tools import StepWhen, ToolKind
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.orders.drafting import OrderDraft, OrderInput, draft_order
from gateway.agents.orders.runs import record_draft
from gateway.agents.rounds.processing import ProcessedRound, RoundInput, process_round
from gateway.agents.rounds.runs import record_round
from gateway.agents.rules import RuleResult, RuleStatus
from gateway.agents.running.prediction_call import PredictionFailed
from gateway.agents.steps.checks import is_raised, run_checks
from gateway.agents.steps.recording import record_steps, with_billed_costs
from gateway.agents.steps.texts import WritingTask, write_text
from gateway.agents.steps.values import CallBudget, StepRecord
from gateway.tables.agents import Agent, AgentTick
from infra.clock import Clock
from infra.secrets.signing_key import SigningKey
from infra.telemetry.agent_metrics import AgentMetrics


@dataclass(frozen=True, slots=True)
class TickWork:
    """The results that raise beside the rules', what was done, and the records of all calls."""

    results: tuple[RuleResult, ...] = ()
    records: tuple[StepRecord, ...] = ()
    round: ProcessedRound | None = None
    draft: OrderDraft | None = None

    @property
    def cost_nano(self) -> int:
        """What the calls have cost."""
        return sum(one.cost_nano for one in self.records)

    @property
    def is_notable(self) -> bool:
        """Whether the tick must be kept."""
        return bool(self.records) or self.round is not None or self.draft is not None


NO_WORK = TickWork()


async def work_before(
    budget: CallBudget,
    definition: AgentDefinition,
    rules: Sequence[RuleResult],
    entry: RoundInput | None,
    order: OrderInput | None,
) -> TickWork | PredictionFailed:
    """Do what comes before the decision: the round, steps of specialists, and the draft."""
    work, toolset = NO_WORK, definition.toolset
    if entry is not None and entry.is_new:
        done = await process_round(budget, toolset, entry)
        if isinstance(done, PredictionFailed):
            return done
        work = TickWork(done.results, done.records, round=done)
    elif entry is not None:
        work = TickWork(entry.results)
    checked = await run_checks(
        budget.after(work.records), toolset, definition.asset, (*rules, *work.results)
    )
    if isinstance(checked, PredictionFailed):
        return checked
    work = replace(
        work,
        results=(*work.results, *checked.results),
        records=(*work.records, *checked.records),
    )
    if order is None:
        return work
    draft = await draft_order(budget.after(work.records), toolset, order)
    if isinstance(draft, PredictionFailed):
        return draft
    return replace(work, draft=draft, records=(*work.records, *draft.records))


async def write_texts(
    budget: CallBudget, definition: AgentDefinition, results: Sequence[RuleResult], language: str
) -> tuple[StepRecord, ...] | PredictionFailed:
    """Write the texts of a tick: language models are called last, and only where they are due."""
    records: tuple[StepRecord, ...] = ()
    toolset, raised = definition.toolset, is_raised(results)
    for index, step in enumerate(toolset.texts):
        tool = toolset.find(step.tool, ToolKind.LANGUAGE_MODEL)
        if tool is None or not (raised or step.when is StepWhen.ALWAYS):
            continue
        search = toolset.find(step.search, ToolKind.FILE_SEARCH) if step.search else None
        stated = tuple(fact(one) for one in results if one.status is not RuleStatus.PENDING)
        task = WritingTask(step.name, (definition.asset, *stated), language, search=search)
        call = budget.named(f"{budget.call.purpose}:t{index}")
        written = await write_text(budget.after(records), tool, task, call)
        if isinstance(written, PredictionFailed):
            return written
        records = (*records, written)
    return records


async def text_language(
    session: AsyncSession, account_id: UUID, definitions: Sequence[AgentDefinition]
) -> str:
    """Return the language of an account's recipients if any definition writes texts, else `en`."""
    if not any(one.toolset.texts for one in definitions):
        return "en"
    return (await get_profile(session, account_id)).locale


def fact(result: RuleResult) -> str:
    """Return the result of a rule as a fact for a language model."""
    value = result.detail or ("no value" if result.value is None else f"{result.value:.6g}")
    limit = "" if result.limit is None else f", limit {result.limit:.6g} {result.unit}"
    return f"{result.name} is {result.status.value}: {value} {result.unit}{limit}".strip()


async def with_billed_work(session: AsyncSession, agent: Agent, work: TickWork) -> TickWork:
    """Return the work with the costs of its usage rows."""
    return replace(work, records=await with_billed_costs(session, agent.account_id, work.records))


async def record_work(
    session: AsyncSession,
    clock: Clock,
    agent: Agent,
    tick: AgentTick,
    definition: AgentDefinition,
    work: TickWork,
    round_signing: SigningKey,
) -> None:
    """Record the work of a tick in its transaction. round_signing: the key that signs reports."""
    await record_steps(session, tick, work.records)
    if work.round is not None:
        await record_round(session, agent.account_id, tick, work.round, round_signing)
    if work.draft is not None:
        await record_draft(session, clock, agent, tick, definition, work.draft)


def count_work(metrics: AgentMetrics, work: TickWork) -> None:
    """Count the steps of a tick, and the rounds and drafts that it completed."""
    for one in work.records:
        metrics.steps.labels("error" if one.error else "answered").inc()
    if work.round is not None:
        metrics.rounds.labels("processed").inc()
    if work.draft is not None:
        metrics.actions.labels("order_draft").inc()
