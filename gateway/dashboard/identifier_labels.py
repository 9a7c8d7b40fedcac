"""Texts of identifiers for the dashboard: error messages and names of audited actions."""

from collections.abc import Mapping

from infra.translations import gettext_noop

IDENTIFIER_ACTIONS: Mapping[str, str] = {
    "identifiers.registered": gettext_noop("Registered identifiers"),
    "epcis.subscription_created": gettext_noop("Subscribed to item events"),
    "epcis.query_created": gettext_noop("Created a query of item events"),
    "epcis.subscription_paused": gettext_noop("Paused a subscription to item events"),
    "epcis.subscription_resumed": gettext_noop("Resumed a subscription to item events"),
    "epcis.subscription_ended": gettext_noop("Ended a subscription to item events"),
    "epcis.query_deleted": gettext_noop("Deleted a query of item events"),
}
EVENT_LABELS: Mapping[str, Mapping[str, str]] = {
    "plant_event_type": {
        "ObjectEvent": gettext_noop("Observed or made"),
        "AggregationEvent": gettext_noop("Packed or assembled"),
        "TransactionEvent": gettext_noop("Business document"),
        "TransformationEvent": gettext_noop("Made from inputs"),
        "AssociationEvent": gettext_noop("Installed"),
    },
    "plant_event_timing": {
        "stream": gettext_noop("As soon as events arrive"),
        "quarter": gettext_noop("Every 15 minutes"),
        "hour": gettext_noop("Every hour"),
        "day": gettext_noop("Daily at 06:00 UTC"),
        "own": gettext_noop("Own schedule"),
    },
}
IDENTIFIER_ERRORS: Mapping[str, str] = {
    "epcis_query_exists": gettext_noop("You already have a query of this name."),
    "epcis_query_invalid": gettext_noop(
        "A condition is not valid: its name is unknown, or its value has the wrong form."
    ),
    "epcis_query_invalid.name": gettext_noop(
        "Use 1 to 100 letters, digits, dots, dashes and underscores. An account has at most 200 "
        "queries."
    ),
    "epcis_query_invalid.further": gettext_noop("Write each condition once, as name=value."),
    "epcis_query_too_large": gettext_noop(
        "The query finds more events than its maxEventCount. Narrow it or raise the number."
    ),
    "epcis_subscription_invalid": gettext_noop("An account has at most 50 subscriptions."),
    "epcis_subscription_invalid.dest": gettext_noop("Enter the address of a webhook."),
    "epcis_subscription_invalid.url": gettext_noop(
        "Enter an https address that can be reached from the internet."
    ),
    "identifier_invalid": gettext_noop(
        "This is not a valid identifier. Use a code such as 88.100.5001/PUMP-1, a Handle or a GS1 "
        "Digital Link with a correct check digit."
    ),
    "identifier_not_found": gettext_noop("Your company has registered no such identifier."),
    "identifier_file_invalid": gettext_noop(
        "The file cannot be read. Its first row needs the column id and a unique name for each "
        "field; use CSV in UTF-8 or GB 18030."
    ),
    "identifier_record_invalid": gettext_noop(
        "Write each field as name: value, at most 64 fields of 4,096 characters."
    ),
    "labels_invalid": gettext_noop("These labels cannot be printed. Use a shorter text."),
    "prefix_not_owned": gettext_noop("This identifier is not under a prefix of your company."),
    "record_version_conflict": gettext_noop(
        "The record was changed in the meantime. Reload the page and try again."
    ),
}
