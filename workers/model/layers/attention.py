"""Torch layer of `search_spaces.primitives.attention`."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.attention import Softmax, attention
from kernels.quantisation import fake_quantise_absmax
from kernels.rotary import rotate
from kernels.sparse_k import at_places, sparse_k_attention, still_needed
from kernels.visibility import BigBird, Fixed, Strided, Visibility, Window
from search_spaces.primitives.attention import Attention
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.norm import RMSNorm


class AttentionLayer(Part):
    """Softmax attention. State: the keys and values a later token may still see, [B, L, G, head_dim] each, and with top_k their
    scores, [B, L, G]; nothing where the layer reads those of another layer.

    It leaves its keys and values, all that the current tokens see, in the pass: for later layers under what they must have in
    common with it, and in the first loop under itself where later loops read them.
    """

    def __init__(self, config: Attention, d_model: int) -> None:
        super().__init__()
        self.config = config
        self.visibility = visibility(config)
        self.inner, kv = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
        # rows: queries, gate, keys, values; so that the last two can be left out
        self.n_query_rows = self.inner * (2 if config.output_gate else 1)
        rows = (self.inner,) * (2 if config.output_gate else 1) + (() if config.share_kv else (kv, kv))
        self.in_proj = Linear(d_model, sum(rows), bias=False, stacked=rows)
        self.q_norm = RMSNorm(config.head_dim) if config.qk_norm else None
        self.k_norm = RMSNorm(config.head_dim) if config.qk_norm and not config.share_kv else None
        self.score = nn.Linear(d_model, config.n_kv_heads, bias=False) if config.top_k is not None else None
        self.sink_H = nn.Parameter(torch.empty(config.n_heads)) if config.sink else None
        self.loop_gate = nn.Linear(d_model, config.n_heads) if config.loop_window is not None else None
        self.sub_norm = RMSNorm(self.inner) if config.sub_norm else None
        self.out_proj = Linear(self.inner, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights; norms of one; sinks of zero; the gate of later loops at a half."""
        init.weight(self.in_proj.weight)
        init.output(self.out_proj.weight)
        for norm in (self.q_norm, self.k_norm, self.sub_norm):
            if norm is not None:
                norm.initialise()
        if self.score is not None:
            init.weight(self.score.weight)
        if self.sink_H is not None:
            self.sink_H.zero_()
        if self.loop_gate is not None:
            init.weight(self.loop_gate.weight)
            self.loop_gate.bias.zero_()

    def forward(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """Attend to every visible key of the sequence; nothing is kept."""
        return self._run(x_BTD, None, shared)[0]

    def initial_state(self, batch_size: int) -> State:
        """No keys, no values, no scores."""
        if self.config.share_kv:
            return ()
        empty = self.in_proj.weight.new_zeros(batch_size, 0, self.config.n_kv_heads, self.config.head_dim)
        return (empty, empty) if self.score is None else (empty, empty, empty[..., 0])

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Add the tokens' keys and values, attend, and forget what later tokens cannot see."""
        return self._run(x_BTD, state, shared)

    def _run(self, x_BTD: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        reads_first_loop = self.config.loop_kv == "first" and shared.loop > 0
        has_keys = not self.config.share_kv and not (reads_first_loop and self.loop_gate is None)
        q_BTHD, gate_BTX, keys = self._project(x_BTD, has_keys, shared)
        kept = self._with_new(x_BTD, keys, state)
        if self.config.share_kv:
            read_BTHD, state = self._attend(q_BTHD, shared.memory[self.config.shared_keys]), ()
        elif reads_first_loop:
            read_BTHD, state = self._read_first_loop(q_BTHD, kept, x_BTD, shared)
        else:
            read_BTHD, state = self._read_own(q_BTHD, kept, shared)
        return self._put_out(read_BTHD.flatten(2), gate_BTX), state

    def _read_own(self, q_BTHD: Tensor, kept: State, shared: Pass) -> tuple[Tensor, State]:
        """What the heads read from the layer's own keys and values, [B, T, H, head_dim], and the next state."""
        if self.config.top_k is not None:
            return self._read_best(q_BTHD, kept, self.config.top_k, self.config.window or 1)
        if self.config.lends_keys:
            shared.memory[self.config.shared_keys] = kept
        elif self.config.loop_kv == "first":
            shared.memory[self] = kept
        return self._attend(q_BTHD, kept), tuple(_still_visible(x, self.visibility) for x in kept)

    def _read_best(self, q_BTHD: Tensor, kept: State, top_k: int, window: int) -> tuple[Tensor, State]:
        """The window and the best tokens before it."""
        k_BSGD, v_BSGD, u_BSG = kept
        read_BTHD = sparse_k_attention(q_BTHD, k_BSGD, v_BSGD, u_BSG, top_k, window, self._softmax())
        places = still_needed(u_BSG, top_k, window)
        return read_BTHD, kept if places is None else tuple(at_places(x, places) for x in kept)

    def _read_first_loop(self, q_BTHD: Tensor, kept: State, x_BTD: Tensor, shared: Pass) -> tuple[Tensor, State]:
        """The first loop's keys and values, and by a gate those of a window of this loop."""
        first_BTHD = self._attend(q_BTHD, shared.memory[self])
        if self.loop_gate is None:
            return first_BTHD, kept
        window = Window(self.config.loop_window)
        near_BTHD = attention(q_BTHD, kept[0], kept[1], window, self._softmax())
        gate_BTH1 = self.loop_gate(x_BTD).sigmoid()[..., None]
        read_BTHD = gate_BTH1 * first_BTHD + (1 - gate_BTH1) * near_BTHD
        return read_BTHD, tuple(_still_visible(x, window) for x in kept)

    def _attend(self, q_BTHD: Tensor, kept: State) -> Tensor:
        return attention(q_BTHD, kept[0], kept[1], self.visibility, self._softmax())

    def _softmax(self) -> Softmax:
        return Softmax(self.config.soft_cap, self.sink_H)

    def _project(self, x_BTD: Tensor, has_keys: bool, shared: Pass) -> tuple[Tensor, Tensor | None, State]:
        """Queries, the logits of the output gate [B, T, H * head_dim], and the tokens' keys and values if wanted."""
        n_rows = self.in_proj.out_features if has_keys else self.n_query_rows
        projected = F.linear(self.in_proj.seen_input(x_BTD), self.in_proj.seen_weight[:n_rows])
        q_BTX, gate_BTX = projected[..., : self.inner], projected[..., self.inner : self.n_query_rows]
        q_BTHD = self._placed(q_BTX, self.q_norm, shared)
        gate = gate_BTX if self.config.output_gate else None
        if not has_keys:
            return q_BTHD, gate, ()
        k_BTX, v_BTX = projected[..., self.n_query_rows :].chunk(2, dim=-1)
        k_BTGD, v_BTGD = self._placed(k_BTX, self.k_norm, shared), torch.unflatten(v_BTX, -1, (-1, self.config.head_dim))
        return q_BTHD, gate, (self._cached(k_BTGD), self._cached(v_BTGD))

    def _with_new(self, x_BTD: Tensor, keys: State, state: State | None) -> State:
        """What `state` holds and, behind it, the tokens' keys and values, and with top_k their scores."""
        if not keys:
            return state or ()
        new = keys if self.score is None else (*keys, self.score(x_BTD))
        return new if state is None else tuple(torch.cat(pair, dim=1) for pair in zip(state, new, strict=True))

    def _put_out(self, read_BTX: Tensor, gate_BTX: Tensor | None) -> Tensor:
        """Gate, norm and output projection."""
        if gate_BTX is not None:
            read_BTX = read_BTX * gate_BTX.sigmoid()
        if self.sub_norm is not None:
            read_BTX = self.sub_norm(read_BTX)
        out_BTD: Tensor = self.out_proj(read_BTX)
        return out_BTD

    def _placed(self, x_BTX: Tensor, norm: RMSNorm | None, shared: Pass) -> Tensor:
        """[B, T, heads, head_dim], normed and turned."""
        heads = torch.unflatten(x_BTX, -1, (-1, self.config.head_dim))
        heads = heads if norm is None else norm(heads)
        return rotate(heads, shared.rotation(self.config.rotary_size)) if self.config.rotary_size else heads

    def _cached(self, x_BTGD: Tensor) -> Tensor:
        """The numbers as the cache holds them; training keeps them whole."""
        return x_BTGD if self.training or self.config.kv_bits == 16 else fake_quantise_absmax(x_BTGD, self.config.kv_bits)


def visibility(config: Attention) -> Visibility:
    """Which tokens see which."""
    if config.pattern == "strided":
        return Strided(config.stride or 1)
    if config.pattern == "fixed":
        return Fixed(config.stride or 1, config.n_summary or 1)
    if config.pattern == "bigbird":
        return BigBird(config.block_size or 1, config.n_global, config.n_random)
    return Window(config.window, config.n_global)


def _still_visible(kept_BLGD: Tensor, visibility: Visibility) -> Tensor:
    """Without what no later token sees: with a window, the tokens between the global ones and its last but one."""
    if not isinstance(visibility, Window) or visibility.size is None:
        return kept_BLGD
    first, length = visibility.n_global, kept_BLGD.shape[1]
    near = max(0, length - visibility.size + 1)
    return kept_BLGD if near <= first else torch.cat([kept_BLGD[:, :first], kept_BLGD[:, near:]], dim=1)
