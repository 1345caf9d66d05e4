"""Which models may be judged on which tasks: in a causal task, a model that sees later tokens would read the answers."""

from collections.abc import Sequence

from nas.tasks.catalogue import AnyTask


def reads_ahead(encoder_mixers: Sequence[str], tasks: Sequence[AnyTask]) -> str | None:
    """Why models with these encoder mixers cannot be judged on the tasks; None when they can."""
    causal = [task.name for task in tasks if task.causal]
    if not encoder_mixers or not causal:
        return None
    return f"{encoder_mixers[0]} sees later tokens, and {causal[0]} asks for each token from those before it; use causal mixers"
