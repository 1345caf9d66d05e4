"""The text of a torchtitan config registry: literals on top, then code that is the same for every architecture.

Only `attention` and the imports differ between the two kinds of blocks. Everything starts as our own models do.
"""

from itertools import groupby
from pprint import pformat
from string import Template
from textwrap import indent

from nas.export.training.text import Value

WIDTH = 100
GROUPED = {
    "model": "qwen3",
    "classes": "Qwen3Model, Qwen3TransformerBlock",
    "model_class": "Qwen3Model",
    "block_class": "Qwen3TransformerBlock",
    "parallelize": "parallelize_qwen3",
    "shared_builder": "    make_gqa_config,\n",
    "own_builder": "",
    "attention": """
def _attention(n_heads: int, n_kv_heads: int, head_dim: int, qk_norm: bool, window: int | None):
    inner_attention = get_attention_config(BACKEND)
    if window is not None:
        # the tokens before the current one
        inner_attention.window_size = (window - 1, 0)
    return make_gqa_config(
        dim=DIM,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        head_dim=head_dim,
        wqkv_param_init=_READS,
        wo_param_init=_WRITES,
        inner_attention=inner_attention,
        fuse_qkv=True,
        rope=_rope(head_dim),
        qk_norm=_norm(head_dim) if qk_norm else None,
    )""",
}
LATENT = {
    "model": "deepseek_v3",
    "classes": "DeepSeekV3Model, DeepSeekV3TransformerBlock",
    "model_class": "DeepSeekV3Model",
    "block_class": "DeepSeekV3TransformerBlock",
    "parallelize": "parallelize_deepseekv3",
    "shared_builder": "",
    "own_builder": "from torchtitan.models.deepseek_v3 import make_mla_attention_config\n",
    "attention": """
def _attention(
    n_heads: int, q_lora_rank: int, kv_lora_rank: int, qk_nope_head_dim: int, qk_rope_head_dim: int, v_head_dim: int
):
    config = make_mla_attention_config(
        layer_id=0,
        dim=DIM,
        n_heads=n_heads,
        q_lora_rank=q_lora_rank,
        kv_lora_rank=kv_lora_rank,
        qk_nope_head_dim=qk_nope_head_dim,
        qk_rope_head_dim=qk_rope_head_dim,
        v_head_dim=v_head_dim,
        attn_backend=BACKEND,
        linear_init=_READS,
        norm_init=_ONES,
        depth_init=lambda layer_id: _WRITES,
        rope=_rope(qk_rope_head_dim),
    )
    config.q_norm.eps = config.kv_norm.eps = NORM_EPS
    return config""",
}
MODULE = Template('''\
# A model for $version. With this folder on PYTHONPATH:
#
#   torchrun --nproc_per_node=8 -m torchtitan.train --module nas_architecture --config pretrain \\
#     --hf_assets_path <a tokenizer's folder> --dataloader.dataset c4
#
# The recipe is the default one of a study's proxies; set steps, batch and length for a real run.
$notes
from functools import partial

import torch.nn as nn
from torchtitan.components.checkpoint import CheckpointManager
from torchtitan.components.loss import ChunkedLossWrapper, CrossEntropyLoss
from torchtitan.components.optimizer import LRSchedulersContainer, default_adamw, register_moe_load_balancing_hook
from torchtitan.config import TrainingConfig
from torchtitan.distributed.activation_checkpoint import SelectiveAC
from torchtitan.distributed.pipeline_parallel import pipeline_llm
from torchtitan.hf_datasets.text_datasets import HuggingFaceTextDataLoader
from torchtitan.models.common import CosSinRoPE, Embedding, Linear
from torchtitan.models.common.config_utils import (
    get_attention_config,
$shared_builder    make_moe_config,
    make_routed_experts_config,
    make_router_config,
)
from torchtitan.models.common.feed_forward import FeedForward
from torchtitan.models.common.nn_modules import RMSNorm
from torchtitan.models.common.param_init import skip_param_init
${own_builder}from torchtitan.models.$model.model import $classes
from torchtitan.models.$model.parallelize import $parallelize
from torchtitan.protocols.model_spec import ModelSpec
from torchtitan.trainer import Trainer

$literals

_NORMAL = partial(nn.init.normal_, std=0.02)
_SCALED = partial(nn.init.normal_, std=0.02 * (2 * len(LAYERS)) ** -0.5)
_READS = {"weight": _NORMAL}
_WRITES = {"weight": _SCALED}
_EXPERTS = {"w1_EFD": _NORMAL, "w2_EDF": _SCALED, "w3_EFD": _NORMAL}
_ONES = {"weight": nn.init.ones_}


def _norm(size: int):
    return RMSNorm.Config(normalized_shape=size, eps=NORM_EPS, param_init=_ONES)


def _rope(size: int):
    return CosSinRoPE.Config(dim=size, max_seq_len=MAX_SEQ_LEN, theta=ROPE_THETA)

$attention


def _feed_forward(hidden_dim: int):
    return FeedForward.Config(
        w1=Linear.Config(in_features=DIM, out_features=hidden_dim, param_init=_READS),
        w2=Linear.Config(in_features=hidden_dim, out_features=DIM, param_init=_WRITES),
        w3=Linear.Config(in_features=DIM, out_features=hidden_dim, param_init=_READS),
    )


def _moe(
    num_experts: int,
    top_k: int,
    hidden_dim: int,
    shared_hidden_dim: int,
    score_func: str,
    route_norm: bool,
    route_scale: float,
    load_balance_coeff: float | None,
):
    router = make_router_config(
        dim=DIM,
        num_experts=num_experts,
        gate_param_init=_READS,
        top_k=top_k,
        score_func=score_func,
        route_norm=route_norm,
        route_scale=route_scale,
    )
    experts = make_routed_experts_config(
        dim=DIM,
        hidden_dim=hidden_dim,
        num_experts=num_experts,
        top_k=top_k,
        param_init=_EXPERTS,
        comm_backend="standard",
    )
    return make_moe_config(
        num_experts=num_experts,
        router=router,
        routed_experts=experts,
        shared_experts=_feed_forward(shared_hidden_dim) if shared_hidden_dim else None,
        load_balance_coeff=load_balance_coeff,
    )


def _layer(attention: dict, hidden_dim: int | None = None, moe: dict | None = None):
    return $block_class.Config(
        attention_norm=_norm(DIM),
        ffn_norm=_norm(DIM),
        attention=_attention(**attention),
        feed_forward=None if hidden_dim is None else _feed_forward(hidden_dim),
        moe=None if moe is None else _moe(**moe),
    )


def model():
    """The model's config; `model().build()` is the model."""
    return $model_class.Config(
        dim=DIM,
        vocab_size=VOCAB_SIZE,
        enable_weight_tying=TIED,
        tok_embeddings=Embedding.Config(
            num_embeddings=VOCAB_SIZE,
            embedding_dim=DIM,
            param_init={"weight": skip_param_init} if TIED else _READS,
        ),
        norm=_norm(DIM),
        lm_head=Linear.Config(in_features=DIM, out_features=VOCAB_SIZE, param_init=_READS),
        layers=[_layer(**layer) for layer in LAYERS],
    )


def pretrain() -> Trainer.Config:
    """The run; every value can be changed on the command line."""
    spec = ModelSpec(
        name="nas_architecture",
        flavor="pretrain",
        model=model(),
        parallelize_fn=$parallelize,
        pipelining_fn=pipeline_llm,
        post_optimizer_build_fn=register_moe_load_balancing_hook,
        state_dict_adapter=None,
    )
    return Trainer.Config(
        model_spec=spec,
        loss=ChunkedLossWrapper.Config(loss_fn=CrossEntropyLoss.Config(global_vocab_size=VOCAB_SIZE)),
        dataloader=HuggingFaceTextDataLoader.Config(dataset="c4"),
        optimizer=default_adamw(lr=LEARNING_RATE, betas=BETAS, weight_decay=WEIGHT_DECAY),
        lr_scheduler=LRSchedulersContainer.Config(
            warmup_steps=WARMUP_STEPS, decay_type="cosine", min_lr_factor=FINAL_FRACTION
        ),
        training=TrainingConfig(
            local_batch_size=BATCH_SIZE,
            seq_len=SEQ_LEN,
            steps=STEPS,
            max_norm=MAX_NORM,
            disable_cuda_graphs=BACKEND == "varlen",
        ),
        checkpoint=CheckpointManager.Config(interval=STEPS),
        activation_checkpoint=SelectiveAC.Config(),
    )
''')


def literal(value: Value) -> str:
    """A value as Python, the items of a list on lines of their own and equal ones together."""
    if not isinstance(value, list):
        return repr(value)
    runs = ((pformat(item, width=WIDTH, sort_dicts=False), len([*run])) for item, run in groupby(value))
    lines = (f"    *[\n{indent(item, ' ' * 8)}\n    ] * {length},\n" for item, length in runs)
    return f"[\n{''.join(lines)}]"
