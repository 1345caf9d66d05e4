"""What a server answered when it refused, as exceptions that carry the problem document (RFC 9457)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from nas.errors import FieldProblem, NasError
from nas.export.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The document: what went wrong, and for bad input which fields and what they may hold."""

    status: int
    title: str
    detail: str = ""
    code: str = ""
    request_id: str | None = None
    errors: tuple[FieldProblem, ...] = ()
    reasons: tuple[Refusal, ...] = ()
    """Why a form of export is not to be had."""

    @classmethod
    def from_data(cls, status: int, data: Mapping[str, Any]) -> Self:
        """Read a decoded body; what it lacks stays at its default."""
        return cls(
            status=status,
            title=str(data.get("title") or f"HTTP {status}"),
            detail=str(data.get("detail") or ""),
            code=str(data.get("code") or ""),
            request_id=data.get("request_id"),
            errors=tuple(
                FieldProblem(str(item.get("pointer", "")), str(item.get("reason", ""))) for item in data.get("errors") or ()
            ),
            reasons=tuple(
                Refusal(*(str(item.get(name, "")) for name in ("target", "field", "reason")))
                for item in data.get("reasons") or ()
            ),
        )

    def __str__(self) -> str:
        """Title and detail, then one line for each field that they do not mention, and for each of several reasons."""
        lines = [": ".join(filter(None, (self.title, self.detail)))]
        lines += [f"  {error.pointer or '/'}: {error.reason}" for error in self.errors if error.reason not in self.detail]
        if len(self.reasons) > 1:
            lines += [f"  {refusal.target}: {refusal.reason}" for refusal in self.reasons]
        return "\n".join(lines)


class RequestFailed(NasError):
    """The server answered with a problem document."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class InvalidRequest(RequestFailed):
    """400, 413, 415, 422: the same request can never work; `problem.errors` names the fields."""


class KeyRefused(RequestFailed):
    """401, 403: the key is missing, unknown, revoked, or lacks the scope."""


class NothingThere(RequestFailed):
    """404: there is no such thing, or it belongs to someone else."""


class StateConflict(RequestFailed):
    """409: its state does not allow this, or the name is taken."""


class TooManyRequests(RequestFailed):
    """429, after several polite retries."""


class ServerFault(RequestFailed):
    """5xx, after several retries."""


class Unreachable(NasError):
    """No server answered."""


_BY_STATUS: dict[int, type[RequestFailed]] = {
    401: KeyRefused,
    403: KeyRefused,
    404: NothingThere,
    409: StateConflict,
    429: TooManyRequests,
}


def failure_of(problem: Problem) -> RequestFailed:
    """The exception for a problem document."""
    if problem.status >= 500:
        return ServerFault(problem)
    return _BY_STATUS.get(problem.status, InvalidRequest)(problem)
