"""Texts of identifiers for the dashboard: error messages and names of audited actions."""

from collections.abc import Mapping

from infra.translations import gettext_noop

IDENTIFIER_ACTIONS: Mapping[str, str] = {
    "identifiers.registered": gettext_noop("Registered identifiers"),
    "epcis.subscription_created": gettext_noop("Subscribed to item events"),
    "epcis.subscription_ended": gettext_noop("Ended a subscription to item events"),
    "epcis.query_deleted": gettext_noop("Deleted a query of item events"),
}
IDENTIFIER_ERRORS: Mapping[str, str] = {
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
