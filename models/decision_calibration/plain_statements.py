"""Whether a statement plainly asks for a specialist's output, so that its probability is that of
the statement.

`The machine will fail` does; `the machine is sound` and `it fails because of the tool` do not. What
is in doubt goes to the language model.
"""

import re

from models.decision_calibration.outputs import Output

_SUBJECTS = {
    "failure": r"\bfail|\bbreak(s|ing)? ?down|\bbreakdown|故障|失效|损坏",
    "fault": r"\bfault|\bdefect|缺陷|故障",
    "remaining_life": r"\blife\b|\blifetime\b|\bRUL\b|寿命",
}
# A plain statement is short.
_MAX_LENGTH = 300
# Negation, a state of good order, a condition, a cause, or a second statement.
_QUALIFIED = re.compile(
    r"\b(not|no|never|without|neither|nor|cannot|unlikely|normal|healthy|sound|fine|ok|okay"
    r"|operational|if|unless|when|because|due|caused?|by|after|and|or|but|within|before|than"
    r"|avoid\w*|prevent\w*|free|last|previous|already|has|had|was|were)\b|n['’]t\b"
    r"|不|没|無|无|未|非|正常|健康|完好|如果|若|因为|由于|导致|并且|而且|或|以及|但|之后|之前|已经?|曾"
    r"|避免|防止",
    re.IGNORECASE,
)


def asks_for(output: Output, instructions: str) -> bool:
    """Return whether a question is about an output and has no further condition or negation."""
    subject = _SUBJECTS.get(output.name)
    if subject is None or len(instructions) > _MAX_LENGTH or _QUALIFIED.search(instructions):
        return False
    return re.search(subject, instructions, re.IGNORECASE) is not None


def mentions(output: Output, instructions: str) -> bool:
    """Return whether a short question is about an output, however it is put."""
    subject = _SUBJECTS.get(output.name)
    if subject is None or len(instructions) > _MAX_LENGTH:
        return False
    return re.search(subject, instructions, re.IGNORECASE) is not None
