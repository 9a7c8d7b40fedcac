"""Reconciliation: check that usage, quotas, leases, open calls, credit and invoices agree.

Each check is one query that returns the differences; all run in one snapshot, so running calls do
not disturb them. Engine counters are outside of the snapshot and are compared with bounds: usage
before and after reading the counters (gateway/operations/engine_counters.py reads them).
Nothing is repaired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.budget_periods import IS_CALL_OF_BUDGET
from billing.metering.usage import REQUEST_ID_PREFIX
from billing.reconciliation.bank_lines import CHECKS as BANK_CHECKS
from billing.reconciliation.credit import redecide
from billing.reconciliation.included_units import CHECKS as INCLUDED_CHECKS
from billing.reconciliation.invoices_and_ledger import CHECKS as BOOK_CHECKS
from billing.reconciliation.invoices_and_ledger import RERATING_CHECK, rerate_invoices
from billing.reconciliation.outcomes import recompute_settlements
from billing.reconciliation.payment_orders import CHECKS as PAYMENT_CHECKS
from billing.reconciliation.predictions import verify_prediction_chains
from billing.reconciliation.prepaid import CHECKS as PREPAID_CHECKS
from billing.reconciliation.usage_rows import CHECKS as ROW_CHECKS
from billing.reconciliation.usage_rows import ROW_COSTS, RowCostCheck, check_row_costs
from infra import ids
from infra.database.database import allow_long_statements


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between two records of the same value."""

    check: str
    subject: str
    recorded: int
    expected: int


@dataclass(frozen=True, slots=True)
class ReconciliationResult:
    """Result of a reconciliation: figures of what was compared, and all differences."""

    usage_rows: int
    unknown_rows: int
    open_calls: int
    processes: int
    held: int
    differences: tuple[Difference, ...]
    rated: RowCostCheck = field(default=RowCostCheck(0, 0, ()), compare=False)


# Check name -> query that returns (subject, recorded, expected).
_CHECKS = {
    "Quota leases equal the processes' leases": """
        select q.id::text, q.leased, coalesce(sum(l.borrowed - l.folded), 0)
        from quota q left join quota_lease l on l.quota_id = q.id
        group by q.id having q.leased <> coalesce(sum(l.borrowed - l.folded), 0)
    """,
    "Credit used equals the cost of the account's calls": """
        with spent as (
            select q.account_id, q.used + coalesce(
                (select sum(l.used - l.folded) from quota_lease l where l.quota_id = q.id), 0
            ) as amount from quota q where q.kind = 'credit'
        ), cost as (
            select account_id, sum(cost_nano) as amount from usage
            where account_id is not null group by account_id
        )
        select a.id::text, coalesce(s.amount, 0), coalesce(c.amount, 0)
        from account a left join spent s on s.account_id = a.id
        left join cost c on c.account_id = a.id
        where coalesce(s.amount, 0) <> coalesce(c.amount, 0)
    """,
    # Calls that ran when a budget was set are counted later, and removed budgets count nothing.
    "Key budget used equals the cost of the key's calls": f"""
        select q.id::text, q.used + coalesce(sum(l.used - l.folded), 0), coalesce(c.amount, 0)
        from quota q left join quota_lease l on l.quota_id = q.id
        left join lateral (
            select sum(coalesce(x.cost_nano, u.cost_nano)) as amount
            from usage u left join usage_correction x on x.request_id = u.request_id
            where u.account_id = q.account_id and u.key_id = q.key_id
              and u.started_at >= q.period_start
              and u.started_at < q.period_start + interval '1 month'
        ) c on true
        where q.kind = 'budget' and q.project_id is null and q.scope is null
        group by q.id, c.amount
        having q.used + coalesce(sum(l.used - l.folded), 0) <> coalesce(c.amount, 0)
        union all
        select q.id::text, q.used + coalesce(sum(l.used - l.folded), 0), coalesce(c.amount, 0)
        from quota q join api_key k on k.id = q.key_id and k.account_id = q.account_id
        left join quota_lease l on l.quota_id = q.id
        left join lateral (
            select sum(coalesce(x.cost_nano, u.cost_nano)) as amount
            from usage u left join usage_correction x on x.request_id = u.request_id
            where u.account_id = q.account_id and {IS_CALL_OF_BUDGET}
        ) c on true
        where q.kind = 'budget' and q.scope is not null and q.amount is not null
          and k.budgets_set_at < now() - interval '1 hour'
        group by q.id, c.amount
        having q.used + coalesce(sum(l.used - l.folded), 0) <> coalesce(c.amount, 0)
    """,  # noqa: S608  # put together of constants
    "Project budget used equals the cost of the project's calls": f"""
        select q.id::text, q.used + coalesce(sum(l.used - l.folded), 0), coalesce(c.amount, 0)
        from quota q join project p on p.id = q.project_id and p.account_id = q.account_id
        left join quota_lease l on l.quota_id = q.id
        left join lateral (
            select sum(coalesce(x.cost_nano, u.cost_nano)) as amount
            from usage u left join usage_correction x on x.request_id = u.request_id
            where u.account_id = q.account_id and {IS_CALL_OF_BUDGET}
        ) c on true
        where q.kind = 'budget' and q.amount is not null
          and p.budgets_set_at < now() - interval '1 hour'
        group by q.id, c.amount
        having q.used + coalesce(sum(l.used - l.folded), 0) <> coalesce(c.amount, 0)
    """,  # noqa: S608  # put together of constants
    "Account credit equals the sum of its credit entries": """
        select a.id::text, coalesce(q.amount, 0), coalesce(e.total, 0)
        from account a left join quota q on q.account_id = a.id and q.kind = 'credit'
        left join (
            select account_id, sum(amount_nano) as total from credit_entry group by account_id
        ) e on e.account_id = a.id
        where q.amount is distinct from e.total
    """,
    "Settled calls are not open": """
        select i.request_id::text, 1, 0 from intent i join usage u using (request_id)
    """,
    "Open calls belong to a running process": """
        select i.request_id::text, 1, 0 from intent i
        left join gateway_process p on p.id = i.process_id
        where p.id is null or p.ended_at is not null or p.expires_at < now() - interval '1 minute'
    """,
    "Ended processes hold no quota leases": """
        select l.process_id::text || ' ' || q.kind, l.borrowed - l.used, 0
        from quota_lease l join quota q on q.id = l.quota_id
        join gateway_process p on p.id = l.process_id
        where p.ended_at < now() - interval '3 minutes'
    """,
}
_FIGURES = """
    select (select count(*) from usage),
           (select count(*) from usage where settlement = 'unknown'),
           (select count(*) from intent),
           (select count(*) from gateway_process where ended_at is null and pid > 0),
           (select coalesce(sum(l.borrowed - l.used), 0) from quota_lease l
            join quota q on q.id = l.quota_id where q.kind = 'credit')
"""


def _all_checks() -> Mapping[str, str]:
    """Return the queries of all checks, by name."""
    return {
        **_CHECKS,
        **ROW_CHECKS,
        **INCLUDED_CHECKS,
        **BOOK_CHECKS,
        **PAYMENT_CHECKS,
        **BANK_CHECKS,
        **PREPAID_CHECKS,
    }


async def reconcile(session: AsyncSession, since: int = 0) -> ReconciliationResult:
    """Run all checks; rate usage rows again that were written by transactions from `since` on.

    For operators: reads across accounts (account_id).
    """
    await session.execute(text("set transaction isolation level repeatable read, read only"))
    await allow_long_statements(session)
    figures = (await session.execute(text(_FIGURES))).one()
    differences: list[Difference] = []
    for check, query in _all_checks().items():
        for subject, recorded, expected in (await session.execute(text(query))).all():
            differences.append(Difference(check, subject, int(recorded), int(expected)))
    differences += [
        Difference(RERATING_CHECK, *difference) for difference in await rerate_invoices(session)
    ]
    differences += [Difference(*difference) for difference in await recompute_settlements(session)]
    differences += [
        Difference(*difference) for difference in await verify_prediction_chains(session)
    ]
    differences += [Difference(*difference) for difference in await redecide(session)]
    rated = await check_row_costs(session, since)
    differences += [
        Difference(
            ROW_COSTS,
            ids.format_id(REQUEST_ID_PREFIX, wrong_cost.request_id),
            wrong_cost.recorded,
            wrong_cost.expected,
        )
        for wrong_cost in rated.wrong
    ]
    usage_rows, unknown_rows, open_calls, processes, held = (int(figure) for figure in figures)
    return ReconciliationResult(
        usage_rows, unknown_rows, open_calls, processes, held, tuple(differences), rated
    )


@dataclass(frozen=True, slots=True)
class EngineCount:
    """Tokens counted by a model's engines since they started, summed over the engines.

    Engines may have started at different times, and a restart resets an engine's count: calls
    between `first_start` and `last_start` may or may not be counted.
    """

    model: str
    prompt_tokens: int
    generated_tokens: int
    first_start: datetime
    last_start: datetime


@dataclass(frozen=True, slots=True)
class TokenTotals:
    """Prompt and output tokens of a model in usage rows."""

    prompt: int = 0
    output: int = 0


@dataclass(frozen=True, slots=True)
class RecordedUsage:
    """Usage rows to compare with an engine's count.

    `certain` are tokens of calls that the engine certainly counted, `max_output` output tokens of
    all calls it may have counted. Of calls that ended early, `aborted` is the number with tokens
    recorded up to the abort, `unmeasured` (including open calls) without recorded tokens.
    """

    certain: TokenTotals
    max_output: int
    aborted: int
    unmeasured: int


@dataclass(frozen=True, slots=True)
class EngineComparison:
    """Comparison of an engine's count with the usage rows, in tokens.

    `generated_unbilled` tokens are in no usage row; `explained_by` is the number of calls that
    ended early or are open, which can explain them.
    """

    model: str
    generated: int
    recorded: int
    generated_unbilled: int
    explained_by: int
    differences: tuple[Difference, ...]


# An engine continues to generate until it notices the disconnect. Measured: 0 to 2 tokens a stream
# (docs/decisions/0010); more on a busy engine or for a call with many choices.
_MAX_TOKENS_AFTER_ABORT = 256
_NO_ADAPTERS: Mapping[str, Sequence[str]] = MappingProxyType({})
_ENGINE_BELOW_USAGE_CHECK = "Engine counts cover the usage rows"
_ENGINE_ABOVE_USAGE_CHECK = "Usage rows cover what the engine generated"
# Calls that an upstream of the catalog answered are in no engine's count.
_BY_OWN_SERVERS = "(upstream is null or upstream = 'own')"
_TOKENS = f"""
    select model, coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0)
    from usage where model is not null and {_BY_OWN_SERVERS} group by model
"""  # noqa: S608  # put together of constants
# A call that began after the engine's start is certainly counted; one that ended after it may be,
# because it may have waited while the engine started.
_RECORDED_USAGE = f"""
    select coalesce(sum(input_tokens) filter (where started_at < :last_start), 0),
           coalesce(sum(output_tokens) filter (where started_at < :last_start), 0),
           coalesce(sum(output_tokens) filter (where within), 0),
           count(*) filter (where within and has_tokens and ended_early),
           count(*) filter (where within and not has_tokens and ended_early),
           (select count(*) from intent where model = any(:models))
    from (
        select input_tokens, output_tokens, started_at,
               started_at + duration_us * interval '1 microsecond' >= :first_start as within,
               -- tokens generated after a stream was interrupted are in no row
               output_tokens is not null
                   and coalesce(error_code, '') not in ('cut_at_limit', 'hold_exceeded')
                   as has_tokens,
               settlement in ('client_abort', 'platform_fault', 'unknown')
                   or (streamed and settlement = 'complete' and error_code is not null)
                   or (settlement = 'waived' and error_code is not null)
                   as ended_early
        from usage where model = any(:models) and {_BY_OWN_SERVERS}
    ) calls
"""  # noqa: S608  # the same


async def load_recorded_tokens(session: AsyncSession) -> dict[str, TokenTotals]:
    """Return the tokens of all usage rows by model, to be read before the engine counters.

    For operators: reads across accounts (account_id).
    """
    rows = (await session.execute(text(_TOKENS))).all()
    return {model: TokenTotals(int(prompt), int(output)) for model, prompt, output in rows}


async def compare_engines(
    session: AsyncSession,
    counts: Sequence[EngineCount],
    before: Mapping[str, TokenTotals],
    adapters: Mapping[str, Sequence[str]] = _NO_ADAPTERS,
) -> tuple[EngineComparison, ...]:
    """Compare engines' token counts with usage rows; `before`: row totals read before the counts.

    `before` is the result of `load_recorded_tokens` from before the counters were read; the rest is
    read now, in another transaction. `adapters` maps a base model to the adapter models that share
    its engine and its count.
    """
    compared = []
    for count in counts:
        models = (count.model, *adapters.get(count.model, ()))
        token_totals = [before.get(model, TokenTotals()) for model in models]
        recorded_before = TokenTotals(
            sum(totals.prompt for totals in token_totals),
            sum(totals.output for totals in token_totals),
        )
        compared.append(
            compare_engine(
                count, await _load_recorded_usage(session, count, models, recorded_before)
            )
        )
    return tuple(compared)


def compare_engine(count: EngineCount, recorded: RecordedUsage) -> EngineComparison:
    """Compare an engine's token count with lower and upper bounds from the usage rows.

    Tokens above the upper bound are explained by calls that ended early: without limit by calls
    without recorded tokens, else by a few tokens per call.
    """
    certain, model, generated = recorded.certain, count.model, count.generated_tokens
    unbilled = max(0, generated - recorded.max_output)
    bounds = [
        (
            _ENGINE_BELOW_USAGE_CHECK,
            certain.prompt,
            count.prompt_tokens,
            certain.prompt <= count.prompt_tokens,
        ),
        (_ENGINE_BELOW_USAGE_CHECK, certain.output, generated, certain.output <= generated),
        (
            _ENGINE_ABOVE_USAGE_CHECK,
            recorded.max_output,
            generated,
            _is_explained(unbilled, recorded),
        ),
    ]
    return EngineComparison(
        model=model,
        generated=generated,
        recorded=recorded.max_output,
        generated_unbilled=unbilled,
        explained_by=recorded.aborted + recorded.unmeasured if unbilled else 0,
        differences=tuple(
            Difference(check, model, recorded_tokens, engine_tokens)
            for check, recorded_tokens, engine_tokens, agrees in bounds
            if not agrees
        ),
    )


def _is_explained(unbilled: int, recorded: RecordedUsage) -> bool:
    """Return whether aborted or unmeasured calls can account for the `unbilled` tokens."""
    return recorded.unmeasured > 0 or unbilled <= recorded.aborted * _MAX_TOKENS_AFTER_ABORT


async def _load_recorded_usage(
    session: AsyncSession, count: EngineCount, models: Sequence[str], before: TokenTotals
) -> RecordedUsage:
    """Load the models' recorded tokens as bounds for the engine's count; `before`: read earlier."""
    values = {
        "models": list(models),
        "first_start": count.first_start,
        "last_start": count.last_start,
    }
    row = (await session.execute(text(_RECORDED_USAGE), values)).one()
    earlier_prompt, earlier_output, max_output, aborted, unmeasured, open_calls = (
        int(value) for value in row
    )
    certain = TokenTotals(before.prompt - earlier_prompt, before.output - earlier_output)
    return RecordedUsage(certain, max_output, aborted, unmeasured + open_calls)
