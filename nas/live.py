"""A trial on its way through a campaign: what is known of it beyond its row while it is queued or running."""

from dataclasses import dataclass

from nas.trial import Trial


@dataclass(slots=True, kw_only=True)
class Live:
    """A trial that is queued or running. `attempt` and `failures` are counted at `rung`; `folders` are of the rungs below."""

    trial: Trial
    rung: int = 0
    attempt: int = 0
    failures: int = 0
    folders: tuple[str, ...] = ()
