"""Reconciliation: whether usage, quotas, leases, open calls and credit tell the same story; and, by
the checks of billing/reconciliation/invoices_and_ledger.py and included_units.py, whether bills and
included units do.

Each check is one query that gives what does not agree, and agrees when it gives nothing; all run in
one snapshot, so calls that run meanwhile do no harm. What the engines count is outside of any
snapshot, so it is held against bounds: what usage said before they were asked, and after. Does not
ask the engines (gateway/cli/engine_counters.py), nor mend anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.usage import REQUEST_PREFIX
from billing.reconciliation.included_units import CHECKS as INCLUDED_CHECKS
from billing.reconciliation.invoices_and_ledger import CHECKS as BOOK_CHECKS
from billing.reconciliation.invoices_and_ledger import RERATED, rerate
from billing.reconciliation.outcomes import recompute
from billing.reconciliation.usage_rows import ROW_COSTS, RowsRated, rate_rows
from infra import ids
from infra.database.database import take_time


@dataclass(frozen=True, slots=True)
class Difference:
    """Two records of the same thing that do not agree."""

    check: str
    subject: str
    recorded: int
    expected: int


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was compared, in figures, and every difference."""

    usage_rows: int
    unknown_rows: int
    open_calls: int
    processes: int
    held: int
    differences: tuple[Difference, ...]
    rated: RowsRated = field(default=RowsRated(0, 0, ()), compare=False)


# Each gives (subject, recorded, expected).
_CHECKS = {
    "what a quota has lent is what processes have borrowed": """
        select q.id::text, q.leased, coalesce(sum(l.borrowed - l.folded), 0)
        from quota q left join quota_lease l on l.quota_id = q.id
        group by q.id having q.leased <> coalesce(sum(l.borrowed - l.folded), 0)
    """,
    "what an account's credit counts as spent is what its calls cost": """
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
    "what a key's month counts as spent is what its calls cost": """
        select q.id::text, q.used + coalesce(sum(l.used - l.folded), 0), coalesce(c.amount, 0)
        from quota q left join quota_lease l on l.quota_id = q.id
        left join lateral (
            select sum(coalesce(x.cost_nano, u.cost_nano)) as amount
            from usage u left join usage_correction x on x.request_id = u.request_id
            where u.account_id = q.account_id and u.key_id = q.key_id
              and u.started_at >= q.period_start
              and u.started_at < q.period_start + interval '1 month'
        ) c on true
        where q.kind = 'budget' group by q.id, c.amount
        having q.used + coalesce(sum(l.used - l.folded), 0) <> coalesce(c.amount, 0)
    """,
    "an account's credit is the sum of its credit entries": """
        select a.id::text, coalesce(q.amount, 0), coalesce(e.total, 0)
        from account a left join quota q on q.account_id = a.id and q.kind = 'credit'
        left join (
            select account_id, sum(amount_nano) as total from credit_entry group by account_id
        ) e on e.account_id = a.id
        where q.amount is distinct from e.total
    """,
    "a call that is settled is not open": """
        select i.request_id::text, 1, 0 from intent i join usage u using (request_id)
    """,
    "an open call belongs to a process that runs": """
        select i.request_id::text, 1, 0 from intent i
        left join gateway_process p on p.id = i.process_id
        where p.id is null or p.ended_at is not null or p.expires_at < now() - interval '1 minute'
    """,
    "a process that has ended holds nothing": """
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
           (select count(*) from gateway_process where ended_at is null),
           (select coalesce(sum(l.borrowed - l.used), 0) from quota_lease l
            join quota q on q.id = l.quota_id where q.kind = 'credit')
"""


async def reconcile(session: AsyncSession, since: int = 0) -> Reconciled:
    """Compare everything; usage rows are rated again where a transaction from `since` on wrote
    them. For operators: it looks across accounts (account_id)."""
    await session.execute(text("set transaction isolation level repeatable read, read only"))
    await take_time(session)
    figures = (await session.execute(text(_FIGURES))).one()
    differences: list[Difference] = []
    for check, query in {**_CHECKS, **INCLUDED_CHECKS, **BOOK_CHECKS}.items():
        for subject, recorded, expected in (await session.execute(text(query))).all():
            differences.append(Difference(check, subject, int(recorded), int(expected)))
    differences += [Difference(RERATED, *found) for found in await rerate(session)]
    differences += [Difference(*found) for found in await recompute(session)]
    rated = await rate_rows(session, since)
    differences += [
        Difference(ROW_COSTS, ids.show(REQUEST_PREFIX, one.request_id), one.recorded, one.expected)
        for one in rated.wrong
    ]
    usage_rows, unknown_rows, open_calls, processes, held = (int(figure) for figure in figures)
    return Reconciled(
        usage_rows, unknown_rows, open_calls, processes, held, tuple(differences), rated
    )


@dataclass(frozen=True, slots=True)
class EngineCount:
    """What the engines of a model have counted themselves, in tokens, since they started.

    Several engines of one model are added up. They need not have started together, and what one
    counted before it started anew is lost: then calls between `first_start` and `last_start` may
    be in the count or not, and are held against it from neither side.
    """

    model: str
    prompt_tokens: int
    generated_tokens: int
    first_start: datetime
    last_start: datetime


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a model that usage rows tell."""

    prompt: int = 0
    output: int = 0


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the database says beside an engine's count.

    `least` is of calls that the engine surely counted, `most_output` of all that it may have
    counted. Of calls that ended early, `cut` have their tokens told, up to where we left; `untold`
    have not, and neither have open ones.
    """

    least: Tokens
    most_output: int
    cut: int
    untold: int


@dataclass(frozen=True, slots=True)
class EngineCompared:
    """An engine's count beside the usage rows, in tokens.

    `generated_unbilled` were generated, and no row has them. That is no difference where
    `explained_by` so many calls that ended early or are still open.
    """

    model: str
    generated: int
    recorded: int
    generated_unbilled: int
    explained_by: int
    differences: tuple[Difference, ...]


# An engine generates on until it hears that nobody listens. Measured: 0 to 2 tokens a stream
# (docs/decisions/0010); a busy engine, or a call with many choices, makes more.
_OVERRUN = 256
_NONE: Mapping[str, Sequence[str]] = MappingProxyType({})
_UNDONE = "an engine has read and generated what usage rows say"
_UNRECORDED = "usage rows say what an engine has generated"
_TOKENS = """
    select model, coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0)
    from usage where model is not null group by model
"""
# A call belongs to the engine's time surely if it began in it, and perhaps if it ended in it:
# one that came while the engine was starting may have waited for it.
_BESIDE = """
    select coalesce(sum(input_tokens) filter (where started_at < :last_start), 0),
           coalesce(sum(output_tokens) filter (where started_at < :last_start), 0),
           coalesce(sum(output_tokens) filter (where within), 0),
           count(*) filter (where within and told and ended_early),
           count(*) filter (where within and not told and ended_early),
           (select count(*) from intent where model = any(:models))
    from (
        select input_tokens, output_tokens, started_at,
               started_at + duration_us * interval '1 microsecond' >= :first_start as within,
               -- of a stream that was cut, what was generated beyond is in no row
               output_tokens is not null
                   and coalesce(error_code, '') not in ('cut_at_limit', 'hold_exceeded') as told,
               settlement in ('client_abort', 'platform_fault', 'unknown')
                   or (streamed and settlement = 'complete' and error_code is not null)
                   as ended_early
        from usage where model = any(:models)
    ) calls
"""


async def recorded_tokens(session: AsyncSession) -> dict[str, Tokens]:
    """The tokens of all usage rows by model, to be read before the engines are asked.

    For operators: it looks across accounts (account_id).
    """
    rows = (await session.execute(text(_TOKENS))).all()
    return {model: Tokens(int(prompt), int(output)) for model, prompt, output in rows}


async def compare_engines(
    session: AsyncSession,
    counts: Sequence[EngineCount],
    before: Mapping[str, Tokens],
    adapters: Mapping[str, Sequence[str]] = _NONE,
) -> tuple[EngineCompared, ...]:
    """Hold the engines' counts against usage: `before` is what `recorded_tokens` gave before the
    engines were asked, the rest is read now, in another transaction. `adapters` are the models that
    answer on another's engine, by that one: it counts for all."""
    compared = []
    for count in counts:
        models = (count.model, *adapters.get(count.model, ()))
        told = [before.get(model, Tokens()) for model in models]
        first = Tokens(sum(one.prompt for one in told), sum(one.output for one in told))
        compared.append(compare_engine(count, await _beside(session, count, models, first)))
    return tuple(compared)


def compare_engine(count: EngineCount, recorded: Recorded) -> EngineCompared:
    """An engine has generated at least what usage said before, and at most what it said after.

    What it has generated above that is explained by calls that ended early: by one whose tokens
    are not told in any amount, by others with a few tokens each.
    """
    least, model, generated = recorded.least, count.model, count.generated_tokens
    unbilled = max(0, generated - recorded.most_output)
    bounds = [
        (_UNDONE, least.prompt, count.prompt_tokens, least.prompt <= count.prompt_tokens),
        (_UNDONE, least.output, generated, least.output <= generated),
        (_UNRECORDED, recorded.most_output, generated, _explained(unbilled, recorded)),
    ]
    return EngineCompared(
        model=model,
        generated=generated,
        recorded=recorded.most_output,
        generated_unbilled=unbilled,
        explained_by=recorded.cut + recorded.untold if unbilled else 0,
        differences=tuple(
            Difference(check, model, told, counted)
            for check, told, counted, agrees in bounds
            if not agrees
        ),
    )


def _explained(unbilled: int, recorded: Recorded) -> bool:
    return recorded.untold > 0 or unbilled <= recorded.cut * _OVERRUN


async def _beside(
    session: AsyncSession, count: EngineCount, models: Sequence[str], before: Tokens
) -> Recorded:
    values = {
        "models": list(models),
        "first_start": count.first_start,
        "last_start": count.last_start,
    }
    row = (await session.execute(text(_BESIDE), values)).one()
    earlier_prompt, earlier_output, most, cut, untold, open_calls = (int(value) for value in row)
    least = Tokens(before.prompt - earlier_prompt, before.output - earlier_output)
    return Recorded(least, most, cut, untold + open_calls)
