"""ModernBERT's tensors."""

from nas.export.huggingface.rules import Rule, same


def bidirectional_attention_rules() -> tuple[Rule, ...]:
    """For one attention layer with as many key/value heads as heads."""
    return (same("in_proj.weight", "Wqkv.weight"), same("out_proj.weight", "Wo.weight"))
