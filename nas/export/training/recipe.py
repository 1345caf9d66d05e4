"""The training recipe that configs carry: that of a protocol's defaults, in the numbers that training programs ask for.

It is the recipe that proxies are compared under, short and small; a real run needs steps, batch and length of its own.
"""

from dataclasses import dataclass

from nas.protocol import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """AdamW with linear warm-up, then a cosine down to a fraction of the peak."""

    steps: int
    warmup_steps: int
    learning_rate: float
    final_fraction: float
    weight_decay: float
    beta1: float
    beta2: float
    clip_norm: float
    batch_size: int
    """Sequences in a step."""
    sequence_length: int
    """Tokens in a sequence."""

    @property
    def final_learning_rate(self) -> float:
        """Where the cosine ends, without the last digits' noise."""
        return float(f"{self.learning_rate * self.final_fraction:.6g}")

    @property
    def tokens(self) -> int:
        """Tokens seen in all."""
        return self.steps * self.batch_size * self.sequence_length


def schedule(protocol: Protocol) -> Schedule:
    """The last rung's steps and the middle of the learning-rate grid."""
    recipe, steps = protocol.recipe, protocol.rungs[-1].steps
    return Schedule(
        steps=steps,
        warmup_steps=round(recipe.warmup_fraction * steps),
        learning_rate=protocol.learning_rates[len(protocol.learning_rates) // 2],
        final_fraction=recipe.final_fraction,
        weight_decay=recipe.weight_decay,
        beta1=recipe.beta1,
        beta2=recipe.beta2,
        clip_norm=recipe.clip_norm,
        batch_size=recipe.batch_size,
        sequence_length=max(task.sequence_length for task in protocol.tasks),
    )


DEFAULT = schedule(Protocol())
