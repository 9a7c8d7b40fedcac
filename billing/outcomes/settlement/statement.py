"""The outcome statement of a settlement as PDF and CSV: amount, outcomes, prediction scores.

All figures come from the evidence bundle, so that the statement can be written again at any time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from billing.dates import local_day, parse_time_zone
from billing.invoice_documents.outcome_charge import format_units
from billing.invoice_documents.rendering.csv import BYTE_ORDER_MARK, format_csv_rows
from billing.invoice_documents.rendering.fonts import add_line_breaks, replace_missing_glyphs
from billing.invoice_documents.rendering.typesetting import render_pdf
from billing.money import PPM, minor_text
from billing.outcomes.contracts.terms import OutcomeTerms, parse_outcome_terms
from billing.outcomes.settlement.agent_scores import AgentScores, score_agents
from billing.outcomes.settlement.bundle import BundleOutcome, EvidenceBundle, parse_bundle
from billing.outcomes.settlement.prediction_assessment import AssessedPeriod, assess_periods
from billing.outcomes.settlement.replay import list_billable_outcomes
from billing.outcomes.settlement.wording import format_text
from billing.translations.catalog import billing_texts
from infra.translations import gettext_noop

_AGENT_FIGURES = ("records", "brier", "agent_precision", "agent_recall", "lead_hours")
CSV_COLUMNS = ("section", "name", "subject", "at", "record", "value")
_REGIONS = {"zh": "cn", "en": "us"}
_TEXTS: Mapping[str, str] = {
    "title": gettext_noop("Outcome statement"),
    "amount": gettext_noop("Amount before disputes and tax"),
    "quantity": gettext_noop("Effect"),
    "month": gettext_noop("Month"),
    "settlement": gettext_noop("Settlement"),
    "digest": gettext_noop("SHA-256 of the evidence bundle"),
    "outcomes": gettext_noop("Outcomes"),
    "occurred": gettext_noop("Occurred"),
    "subject": gettext_noop("Subject"),
    "attested": gettext_noop("Attested by"),
    "record": gettext_noop("Prediction record"),
    "lead": gettext_noop("Lead time in hours"),
    "billed": gettext_noop("Billed"),
    "yes": gettext_noop("yes"),
    "no": gettext_noop("no"),
    "period": gettext_noop("Predictions from {first} to {last}"),
    "events": gettext_noop("Events"),
    "hits": gettext_noop("Predicted events"),
    "warnings": gettext_noop("Warnings"),
    "true_warnings": gettext_noop("Warnings that an event followed"),
    "precision": gettext_noop("Precision (warnings that an event followed)"),
    "recall": gettext_noop("Recall (events that a warning preceded)"),
    "lead_hours": gettext_noop("Median lead time in hours"),
    "alarm": gettext_noop("Share of time under alarm"),
    "skill": gettext_noop("Skill (recall less the time under alarm of the subjects with events)"),
    "skill_lower": gettext_noop("Lower confidence bound of the skill"),
    "chance": gettext_noop("Probability of as many hits by chance"),
    "brier": gettext_noop("Brier score"),
    "brier_reference": gettext_noop("Brier score of always stating the observed frequency"),
    "calibration": gettext_noop("Stated {lower} to {upper} %: {records} records, came true"),
    "paid": gettext_noop("Requirements met"),
    "agents": gettext_noop("Scores by agent"),
    "agent": gettext_noop("Agent"),
    "records": gettext_noop("Records"),
    "agent_precision": gettext_noop("Precision"),
    "agent_recall": gettext_noop("Recall"),
    "page": gettext_noop("Page {page} of {pages}"),
}


def statement_rows(text: str) -> list[tuple[str, ...]]:
    """Return the rows of the statement of a bundle, with the columns of CSV_COLUMNS."""
    bundle = parse_bundle(text)
    rows: list[tuple[str, ...]] = [
        ("amount", "amount", "", "", "", _amount(bundle)),
        ("amount", "currency", "", "", "", bundle.currency),
    ]
    made_at = _record_times(assess_periods(bundle))
    billed = {one.id for one in list_billable_outcomes(bundle)}
    for one in bundle.outcomes:
        at, record = one.happened_at.isoformat(), one.prediction or ""
        rows.append(("outcome", one.business_key, one.subject, at, record, str(one.id in billed)))
        if record in made_at:
            lead = _lead_hours(one, made_at[record])
            rows.append(("lead_hours", one.business_key, one.subject, at, record, lead))
    for period in assess_periods(bundle):
        since = period.period.starts_at.isoformat()
        for name, value in _figures(period).items():
            rows.append(("predictions", name, "", since, "", value))
        for part in period.scores.calibration:
            span = f"{part.lower:.1f}-{part.upper:.1f}"
            rows.append(("calibration", span, "", since, "", str(part.observed_frequency)))
        for scored in score_agents(period):
            cells = dict(zip(_AGENT_FIGURES, _agent_figures(scored)[1:], strict=True))
            rows += [
                ("agent", name, scored.agent, since, "", value) for name, value in cells.items()
            ]
    return rows


def render_statement_csv(text: str) -> bytes:
    """Return the statement of a bundle as CSV."""
    return BYTE_ORDER_MARK + format_csv_rows([CSV_COLUMNS, *statement_rows(text)])


def render_statement_pdf(text: str, digest: str, locale: str) -> bytes:
    """Return the statement of a bundle as PDF/A in a locale of billing's texts."""
    return render_pdf("outcome_statement", _layout_data(parse_bundle(text), digest, locale))


def _layout_data(bundle: EvidenceBundle, digest: str, locale: str) -> dict[str, Any]:
    """Return the values that the Typst layout of a statement takes."""
    terms, zone = _terms(bundle), parse_time_zone(bundle.time_zone)
    day = local_day(bundle.starts_at, zone)
    periods = assess_periods(bundle)
    facts = {
        "month": day.isoformat()[:7],
        "amount": f"{_amount(bundle)} {bundle.currency}",
        "quantity": format_units(0 if bundle.result is None else bundle.result.micro),
        "settlement": bundle.settlement,
        "digest": digest,
    }
    title = _say(locale, "title")
    return {
        "title": f"{title} {bundle.tag} {facts['month']}",
        "language": locale,
        "region": _REGIONS[locale],
        "date": [day.year, day.month, day.day],
        "page": _say(locale, "page", page="{page}", pages="{pages}"),
        "heading": title,
        "name": _safe(terms.names[locale]),
        "facts": [[_say(locale, name), _safe(value)] for name, value in facts.items()],
        "outcomes": {
            "heading": _say(locale, "outcomes"),
            "head": [
                _say(locale, name)
                for name in ("occurred", "subject", "attested", "record", "lead", "billed")
            ],
            "rows": _outcome_rows(bundle, periods, zone, locale),
        },
        "periods": [_period_data(one, zone, locale) for one in periods],
    }


def _outcome_rows(
    bundle: EvidenceBundle, periods: list[AssessedPeriod], zone: ZoneInfo, locale: str
) -> list[list[str]]:
    """Return the cells of the outcomes' table."""
    made_at, billed = (
        _record_times(periods),
        {one.id for one in list_billable_outcomes(bundle)},
    )
    return [
        [
            one.happened_at.astimezone(zone).isoformat(" ", "minutes")[:16],
            _safe(f"{one.subject} · {one.business_key}"),
            _safe(format_text(locale, one.attested_by)),
            _safe(one.prediction or "–"),
            _lead_hours(one, made_at.get(one.prediction or "")),
            _say(locale, "yes" if one.id in billed else "no"),
        ]
        for one in bundle.outcomes
    ]


def _period_data(period: AssessedPeriod, zone: ZoneInfo, locale: str) -> dict[str, Any]:
    """Return the heading and the figures of a prediction period."""
    first = local_day(period.period.starts_at, zone)
    last = local_day(period.period.ends_at - timedelta(microseconds=1), zone)
    return {
        "heading": _say(locale, "period", first=first, last=last),
        "agents": {
            "heading": _say(locale, "agents"),
            "head": [_say(locale, name) for name in ("agent", *_AGENT_FIGURES)],
            "rows": [[_safe(cell) for cell in _agent_figures(one)] for one in score_agents(period)],
        },
        "facts": [
            [_say(locale, name), _say(locale, value) if name == "paid" else value]
            for name, value in _figures(period).items()
        ]
        + [
            [
                _say(
                    locale,
                    "calibration",
                    lower=round(one.lower * 100),
                    upper=round(one.upper * 100),
                    records=one.records,
                ),
                f"{one.observed_frequency * 100:.1f} %",
            ]
            for one in period.scores.calibration
        ],
    }


def _agent_figures(of: AgentScores) -> list[str]:
    """Return the agent and its figures, in the order of _AGENT_FIGURES."""
    found = of.scores.assessment
    return [
        of.agent,
        str(of.scores.records),
        _score(of.scores.brier),
        _percent(found.precision_ppm),
        _percent(found.recall_ppm),
        "–" if found.lead_hours is None else str(found.lead_hours),
    ]


def _figures(period: AssessedPeriod) -> dict[str, str]:
    """Return the figures of a period by the name of their text; ratios as percentages."""
    found = period.assessment
    return {
        "events": str(found.events),
        "hits": str(found.hits),
        "warnings": str(found.warnings),
        "true_warnings": str(found.true_warnings),
        "precision": _percent(found.precision_ppm),
        "recall": _percent(found.recall_ppm),
        "lead_hours": "–" if found.lead_hours is None else str(found.lead_hours),
        "alarm": _percent(found.alarm_ppm),
        "skill": _percent(found.skill_ppm),
        "skill_lower": _percent(found.skill_lower_ppm),
        "chance": _percent(found.chance_ppm),
        "brier": _score(period.scores.brier),
        "brier_reference": _score(period.scores.brier_reference),
        "paid": "yes" if found.is_paid else "no",
    }


def _score(value: float | None) -> str:
    """Return a score with three decimals, a dash without one."""
    return "–" if value is None else f"{value:.3f}"


def _record_times(periods: list[AssessedPeriod]) -> dict[str, datetime]:
    """Return when each record of the periods was made, by id."""
    return {
        name: record.payload.recorded_at
        for period in periods
        for name, record in period.records.items()
    }


def _lead_hours(outcome: BundleOutcome, recorded_at: datetime | None) -> str:
    """Return the hours from the record to the outcome, a dash without a record."""
    if recorded_at is None:
        return "–"
    return f"{(outcome.happened_at - recorded_at) / timedelta(hours=1):.1f}"


def _terms(bundle: EvidenceBundle) -> OutcomeTerms:
    """Return the terms whose price bounds apply to the month."""
    text = next(one.terms for one in bundle.versions if one.id == bundle.version)
    return parse_outcome_terms(text.encode())


def _amount(bundle: EvidenceBundle) -> str:
    """Return the amount of a bundle in major units."""
    return minor_text(0 if bundle.result is None else bundle.result.minor, bundle.currency)


def _percent(ppm: int) -> str:
    """Return a ratio as a percentage with two decimals."""
    return f"{ppm * 100 / PPM:.2f} %"


def _say(locale: str, name: str, **values: object) -> str:
    """Return a text of the statement in a locale."""
    return billing_texts(locale).text(_TEXTS[name], **values)


def _safe(text: str) -> str:
    """Return a text that the packaged fonts can show, breakable where it is long."""
    return add_line_breaks(replace_missing_glyphs(text))
