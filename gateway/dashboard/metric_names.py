"""Names of metrics in the language of a page.

The name that a training or comparison stores has parts, such as `macro-F1, by machine`: the metric,
how far it forecasts, and how rows were held out. Other parts are shown as they are.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import MessageCatalog, gettext_noop

_FORMS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        gettext_noop("RMSE in cycles"): re.compile(r"RMSE in cycles"),
        gettext_noop("RMSE in {unit}"): re.compile(r"RMSE in (?P<unit>.+)"),
        gettext_noop("{steps} steps ahead"): re.compile(r"(?P<steps>\d+) steps ahead"),
        gettext_noop("season {steps}"): re.compile(r"season (?P<steps>\d+)"),
        gettext_noop("simulated faults detected at {rate} false alarms"): re.compile(
            r"simulated faults detected at (?P<rate>\S+) false alarms"
        ),
        gettext_noop("fault rows detected at {rate} false alarms"): re.compile(
            r"fault rows detected at (?P<rate>\S+) false alarms"
        ),
    }
)
# Parts without a number: how rows were held out, and what is averaged.
_PARTS = (
    gettext_noop("by machine"),
    gettext_noop("by time"),
    gettext_noop("by row"),
    gettext_noop("rolling origins"),
    gettext_noop("accuracy on held-out images"),
    gettext_noop("mean over labels"),
)
# Names that are one part, though they have a comma.
_WHOLE = (
    gettext_noop("false alarms in held-out normal operation, % of steps"),
    gettext_noop("log-loss, nats a row; the base as it is or recalibrated, whichever does better"),
    gettext_noop("share of tags with the correct first concept"),
    gettext_noop("validation loss on held-out answers, nats per token"),
)
_SEPARATOR = ", "


def metric_name(name: str, texts: MessageCatalog) -> str:
    """Return a metric's name in a language."""
    if name in _WHOLE:
        return texts.gettext(name)
    parts = [_translate(part, texts) for part in name.split(_SEPARATOR)]
    return texts.gettext(_SEPARATOR).join(parts)


def _translate(part: str, texts: MessageCatalog) -> str:
    """Return a part of a name in a language."""
    for template, form in _FORMS.items():
        if (found := form.fullmatch(part)) is not None:
            return texts.text(template, **found.groupdict())
    return texts.gettext(part) if part in _PARTS else part
