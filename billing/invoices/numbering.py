"""Printed numbers of invoices and credit notes: the legal entity's code and six digits."""


def format_invoice_number(code: str, number: int) -> str:
    """Format an invoice number, such as `MAAS-000012`."""
    return f"{code}-{number:06d}"


def format_credit_note_number(code: str, number: int) -> str:
    """Format a credit note number, such as `MAAS-CN-000012`; it has its own series."""
    return f"{code}-CN-{number:06d}"
