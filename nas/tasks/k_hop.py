"""Pointer chasing: follow a chain of edges for a stated number of hops (k-hop, arXiv 2402.09268; looped models, 2502.17416)."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nas.tasks.task import RecallTask, TaskMetric


class KHop(RecallTask):
    """Accuracy of the node that lies k edges behind a start, over k of 1 to `n_hops` in equal parts.

    The edges of a random cycle through all `n_nodes` nodes come first, in random order among blanks; then `n_queries` queries
    "start, k", whose k goes round 1, 2, ... `n_hops`. An edge is one token and so is a query: a hop is then one look-up, and what
    makes the task hard is how many of them must follow each other, not finding a pair's second half. The published k-hop
    induction asks the same of repeated tokens, where a shallow model can double its hops at every layer and guesses well from
    frequent tokens. Here edges see only earlier edges, and in one cycle every other node is equally likely at any k. Few hops
    are learnt first and carry the many: accuracy is about the share of k that the model's depth reaches.
    """

    title: ClassVar[str] = "k-hop pointer chasing"
    source: ClassVar[str] = "arXiv 2402.09268"

    name: Literal["k_hop"] = "k_hop"
    n_nodes: Annotated[int, Field(ge=3, le=512)] = 16
    """Nodes of the cycle, each with one edge."""
    n_hops: Annotated[int, Field(ge=1, le=64)] = 8
    """The most edges that a query asks to follow."""
    n_queries: Annotated[int, Field(ge=1, le=16_384)] = 16
    """Queries of a sequence, as often for each number of hops."""
    sequence_length: Annotated[int, Field(ge=4, le=65_536)] = 32
    """Tokens: edges, blanks that fill up, and queries."""
    vocab_size: Annotated[int, Field(ge=8, le=1_000_000)] = 401
    """At least a token for each node, edge, query and the blank."""
    n_validation: Annotated[int, Field(ge=16, le=100_000)] = 512
    """Sequences that choose the learning rate."""
    n_test: Annotated[int, Field(ge=16, le=100_000)] = 1024
    """Sequences that the reported value is taken on."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        needed = self.n_nodes * (1 + self.n_nodes + self.n_hops) + 1
        if self.vocab_size < needed:
            raise ValueError(f"{self.n_nodes} nodes and {self.n_hops} hops need vocab_size of at least {needed}")
        if self.sequence_length < self.n_nodes + self.n_queries:
            least = self.n_nodes + self.n_queries
            raise ValueError(f"{self.n_nodes} edges and {self.n_queries} queries need sequence_length of at least {least}")
        if self.n_hops >= self.n_nodes:
            raise ValueError(f"n_hops {self.n_hops} leads round the cycle; give at least {self.n_hops + 1} nodes")
        if self.n_queries % self.n_hops:
            raise ValueError(f"n_queries {self.n_queries} must be a multiple of n_hops {self.n_hops}, to ask for each as often")
        return self

    def further_metrics(self) -> tuple[TaskMetric, ...]:
        """Accuracy for each number of hops."""
        by_hops = (TaskMetric(f"accuracy@hops={k}", f"Accuracy at {k} hops", higher_is_better=True) for k in self.hops())
        return (*super().further_metrics(), *by_hops)

    def hops(self) -> range:
        """Every number of hops that is asked for."""
        return range(1, self.n_hops + 1)

    def chance(self) -> float:
        """Guessing among the nodes other than the start."""
        return 1 / (self.n_nodes - 1)
