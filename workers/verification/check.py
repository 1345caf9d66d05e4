"""One thing that was looked at, and what was found."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "failed", "not checked"]

LOGIT_TOLERANCE = 1e-5
"""Of the largest logit."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a verification."""

    name: str
    status: Status
    detail: str


def logits_check(name: str, difference: float, of: str = "") -> Check:
    """From the largest difference, relative to the largest logit; NaN fails."""
    status: Status = "ok" if difference <= LOGIT_TOLERANCE else "failed"
    most = f"(at most {LOGIT_TOLERANCE:.0e})"
    return Check(name, status, f"{of}largest difference {difference:.1e} of the largest logit {most}")
