"""The usage totals of an account with the project of each row, as an SQL table expression."""

from billing.rating.quantities import METERS

_COLUMNS = ("calls", *METERS, "cost_nano")
_SHARED = ", ".join(
    (
        "period_id, hour, model, plan_version_id, key_id, operation, settlement, late, account_id",
        *_COLUMNS,
    )
)
_NEGATED = ", ".join(f"-{name}" for name in _COLUMNS)
PROJECT_USAGE = f"""(
    select account_id as project_id, {_SHARED} from usage_total where account_id = :account
    union all
    select account_id, period_id, hour, model, plan_version_id, key_id, operation, settlement, late,
           account_id, {_NEGATED}
    from usage_project_total where account_id = :account
    union all
    select project_id, {_SHARED} from usage_project_total where account_id = :account
) of_projects"""  # noqa: S608  # put together of the constants above
"""The rows of the account `:account`, in place of the table `usage_total`.

The rows of the default project are those of all projects and the negative rows of the others, so
that only sums have a meaning.
"""
