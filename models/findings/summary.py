"""A finding in one line: verdict, main figure with interval, and probability, as JSON values."""

from typing import Any

from models.findings.finding import Finding


def summarize(finding: Finding) -> dict[str, Any]:
    """Return the verdict and, if the finding has them, main figure and probability."""
    main = finding.main
    figure: dict[str, Any] = {}
    if main is not None and not isinstance(main.value, tuple):
        figure = {"name": main.name, "value": main.value, "unit": main.unit}
        if main.lower is not None and main.upper is not None:
            figure["interval"] = [main.lower, main.upper]
    probability = {} if finding.probability is None else {"probability": finding.probability}
    return {"verdict": finding.verdict.value, **figure, **probability}
