"""Networks with a memory that is addressed by content."""

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.primitives.memory_slots import MemorySlots
from search_spaces.zoo.entry import HEAD_DIM, ZooEntry, ffn, stack


def _ntm(d_model: int, vocab_size: int) -> Architecture:
    return stack(2, MemorySlots(n_slots=16, slot_width=2 * HEAD_DIM), ffn(d_model), d_model, vocab_size)


def _dnc(d_model: int, vocab_size: int) -> Architecture:
    mixer = MemorySlots(n_slots=16, slot_width=2 * HEAD_DIM, n_read=2, allocation=True)
    return stack(2, mixer, ffn(d_model), d_model, vocab_size)


def _memory_network(d_model: int, vocab_size: int) -> Architecture:
    """Three hops: the same layer reads again with what it has read, from a memory that each hop fills anew."""
    mixer = MemorySlots(n_slots=32, slot_width=2 * HEAD_DIM, allocation=True)
    return Architecture(
        d_model=d_model,
        input=TokenInput(vocab_size=vocab_size),
        core=(Layer(mixers=(mixer,), channel=ffn(d_model)),),
        n_loops=3,
    )


NTM = ZooEntry(
    name="ntm",
    title="Neural Turing machine: a memory with soft reads, erases and adds by content",
    source="arXiv 1410.5401",
    simplified=(
        "No addressing by location (shift and sharpening); the controller is feed-forward and does not see what was read at "
        "the token before; 2 layers."
    ),
    builder=_ntm,
)
DNC = ZooEntry(
    name="dnc",
    title="Differentiable neural computer: two reads, and writing to the least used slots",
    source="doi 10.1038/nature20101; arXiv 1410.5401 for the content addressing",
    simplified=(
        "No temporal links between slots; the controller is feed-forward and does not see what was read at the token before; "
        "2 layers."
    ),
    builder=_dnc,
)
MEMORY_NETWORK = ZooEntry(
    name="memory_network",
    title="Memory network: tokens are stored in free slots, and read in three hops",
    source="arXiv 1410.3916, 1503.08895 (end-to-end)",
    simplified=(
        "32 slots that may be written over, where the original stores everything; every hop fills a memory of its own; soft "
        "addressing, without supervision of what to read."
    ),
    builder=_memory_network,
)
