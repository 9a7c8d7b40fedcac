"""Texts of the prediction ledger for the dashboard: words, error messages, audited actions."""

from collections.abc import Mapping

from infra.translations import gettext_noop

PREDICTION_WORDS: Mapping[str, Mapping[str, str]] = {
    "prediction_verdict": {
        "yes": gettext_noop("Event expected"),
        "no": gettext_noop("No event expected"),
        "uncertain": gettext_noop("Uncertain"),
    },
    "prediction_event": {
        "confirmed": gettext_noop("Predicted"),
        "missed": gettext_noop("Missed"),
        "denied": gettext_noop("Did not come"),
    },
    "prediction_source": {
        "decision": gettext_noop("Copied from a signed decision record"),
        "verdict": gettext_noop("Copied from a prediction for an asset"),
        "agent": gettext_noop("Recorded by an agent of this service"),
        "reported": gettext_noop("Reported by a program of your company"),
    },
    "prediction_failed": {
        "skill": gettext_noop("Not better than chance"),
        "precision": gettext_noop("Precision below the agreed minimum"),
        "recall": gettext_noop("Recall below the agreed minimum"),
    },
}
PREDICTION_ACTIONS: Mapping[str, str] = {
    "prediction.event_reported": gettext_noop("Reported an event"),
    "prediction.key_rotated": gettext_noop("Rotated a model's signing key"),
    "prediction.key_revoked": gettext_noop("Revoked a model's signing key"),
}
PREDICTION_ERRORS: Mapping[str, str] = {
    "prediction_not_found": gettext_noop("Your company has no such prediction record."),
}
