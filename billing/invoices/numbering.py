"""Numbers of documents as they are printed: the legal entity's code and six digits.

Pure.
"""


def invoice_number(code: str, number: int) -> str:
    """`MAAS-000012`."""
    return f"{code}-{number:06d}"


def credit_note_number(code: str, number: int) -> str:
    """`MAAS-CN-000012`: a series of its own."""
    return f"{code}-CN-{number:06d}"
