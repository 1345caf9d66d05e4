"""Models without a tokenizer: bytes in patches, a large model across patches and a small one within them."""

from search_spaces.architecture import Architecture, BytePatchInput, Layer
from search_spaces.zoo.entry import ZooEntry, attention, ffn

PATCH_SIZE = 4


def _byte_hierarchical(d_model: int, vocab_size: int) -> Architecture:
    d_byte = d_model // 2
    within = (Layer(mixers=(attention(d_byte),), channel=ffn(d_byte)),) * 2
    return Architecture(
        d_model=d_model,
        input=BytePatchInput(vocab_size=vocab_size, patch_size=PATCH_SIZE, d_byte=d_byte, within=within),
        core=(Layer(mixers=(attention(d_model),), channel=ffn(d_model)),) * 3,
    )


BYTE_HIERARCHICAL = ZooEntry(
    name="byte_hierarchical",
    title="Byte-level hierarchy: a model across patches of 4 bytes, a small one within",
    source="arXiv 2305.07185 (MegaByte), 2412.09871 (BLT)",
    simplified="MegaByte's patches of equal size, where BLT's end where bytes are hard to tell; 3 layers across, 2 within.",
    builder=_byte_hierarchical,
)
