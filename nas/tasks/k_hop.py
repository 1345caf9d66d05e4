"""Pointer chasing: what did a chain of pointers begin with, k look-ups back? (k-hop, arXiv 2402.09268, 2502.17416)"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nas.tasks.task import RecallTask, TaskMetric


class KHop(RecallTask):
    """Accuracy of the label that a pointer leads to in the end, over pointers of 1 to `n_hops` hops, in equal parts.

    `n_chains` nodes are given one label each, "node label"; then `n_hops` times every chain grows by a new node that points to
    its last one, "node pointer". Chains take turns in random order and names are drawn anew, so nothing but the pointers tells
    chains apart: a layer can only look up what the layers before it have found out, one hop after the other. The step is the
    same at every hop, and few hops are learnt before many, so the accuracy at each number of hops shows how deep a model
    really is. The published k-hop induction asks for a look-up of its own at every place; there few hops give no hint of many.
    Depth pays by more than its number: a layer may also move pointers on to what they point to, which doubles the hops (one
    look-up reaches 1 hop, two in a row learnt to reach 3). A convolution or a layer must first bring each node to its pointer.
    """

    title: ClassVar[str] = "k-hop pointer chasing"
    source: ClassVar[str] = "arXiv 2402.09268"

    name: Literal["k_hop"] = "k_hop"
    n_chains: Annotated[int, Field(ge=2, le=512)] = 4
    """Chains, each with a label of its own."""
    n_hops: Annotated[int, Field(ge=1, le=512)] = 6
    """Pointers of each chain: the most that a node is away from its label."""
    sequence_length: Annotated[int, Field(ge=8, le=65_536)] = 56
    """Tokens: blanks in front, and two for each of the nodes."""
    vocab_size: Annotated[int, Field(ge=8, le=1_000_000)] = 64
    """Labels in the lower half; names, of which a sequence has one for each node; the blank."""
    steps_per_hop: Annotated[int, Field(ge=0, le=1_000_000)] = 150
    """Training asks for one hop at first, and for one more every so many steps; 0: for all from the start."""
    n_validation: Annotated[int, Field(ge=16, le=100_000)] = 256
    """Sequences that choose the learning rate."""
    n_test: Annotated[int, Field(ge=16, le=100_000)] = 512
    """Sequences that the reported value is taken on."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.sequence_length < 2 * self.n_nodes:
            raise ValueError(f"{self.n_nodes} nodes need sequence_length of at least {2 * self.n_nodes}")
        if self.n_names < self.n_nodes:
            raise ValueError(f"{self.n_nodes} nodes need vocab_size of at least {2 * self.n_nodes + 1}")
        return self

    @property
    def n_nodes(self) -> int:
        """Nodes of a sequence."""
        return self.n_chains * (1 + self.n_hops)

    @property
    def n_names(self) -> int:
        """Names that a node may have."""
        return self.vocab_size - self.n_labels - 1

    @property
    def n_labels(self) -> int:
        """Labels that a chain may have."""
        return self.vocab_size // 2

    def further_metrics(self) -> tuple[TaskMetric, ...]:
        """Accuracy for each number of hops."""
        by_hops = (TaskMetric(f"accuracy@hops={k}", f"Accuracy at {k} hops", higher_is_better=True) for k in self.hops())
        return (*super().further_metrics(), *by_hops)

    def hops(self) -> range:
        """Every number of hops."""
        return range(1, self.n_hops + 1)

    def hops_at(self, step: int) -> int:
        """The most hops that 0-based training step asks for."""
        return min(self.n_hops, 1 + step // self.steps_per_hop) if self.steps_per_hop else self.n_hops

    def chance(self) -> float:
        """Guessing among the labels that were given."""
        return 1 / self.n_chains
