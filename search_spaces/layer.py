"""One residual layer of a model: parallel mixers, how they join, a channel part, and which tokens pass it."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from search_spaces.document import Document
from search_spaces.primitives import Channel, Mixer, Primitive


class Layer(Document):
    """x += fuse(mixers(norm(x))), then x += channel(norm(x)). Mixers or channel part may be missing, not both."""

    mixers: Annotated[tuple[Mixer, ...], Field(max_length=4)] = ()
    """Parallel branches, usually one."""
    fusion: Literal["add", "norm_mean", "gate", "route_soft", "route_top1"] = "add"
    """How branches join: their sum; the mean after an RMSNorm each (Hymba, arXiv 2411.13676); the sum after a sigmoid gate for
    each branch and channel, from the layer's input; or a router over mixers (Mixture of Architectures), whose softmax weighs
    all of them (soft) or picks one for each token (top1), the others not seeing that token at all."""
    widths: Annotated[tuple[Annotated[int, Field(ge=1, le=65_536)], ...], Field(min_length=2, max_length=4)] | None = None
    """Channel split: branch m reads and writes its own `widths[m]` channels, which together are d_model. None: all of them."""
    channel: Channel | None = None
    """The per-token part after the mixers."""
    capacity: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Mixture-of-Depths (arXiv 2404.02258): at every point at most this share of the tokens so far, rounded up, has passed the
    layer; the others skip it. A token's own score decides, so the choice is causal. None: every token passes."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.mixers and self.channel is None:
            raise ValueError("a layer needs a mixer, a channel part, or both")
        if len(self.mixers) < 2 and (self.fusion != "add" or self.widths is not None):
            field = "widths" if self.fusion == "add" else f"fusion {self.fusion!r}"
            raise ValueError(f"{field} needs at least two mixers; leave it out")
        if self.widths is not None and len(self.widths) != len(self.mixers):
            raise ValueError(f"widths: {len(self.widths)} for {len(self.mixers)} mixers; give one for each")
        if self.widths is not None and self.fusion not in ("add", "gate"):
            raise ValueError(f"widths: fusion {self.fusion!r} joins whole branches; use 'add' or 'gate', or leave widths out")
        encoders = [part.title for part in self.parts() if not part.causal]
        if encoders and self.capacity is not None:
            raise ValueError(f"capacity: {encoders[0]} sees later tokens, so tokens cannot be dropped one by one; leave it out")
        if encoders and self.fusion == "route_top1":
            raise ValueError(f"fusion: {encoders[0]} sees later tokens, which 'route_top1' cannot hide; use 'route_soft'")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        """Parallel branches are kept in one order, so that equal layers are equal documents."""
        if len(self.mixers) < 2:
            return self
        widths = self.widths or (0,) * len(self.mixers)
        branches = [(mixer.canonical_json(), width, mixer) for mixer, width in zip(self.mixers, widths, strict=True)]
        if any(first[:2] > second[:2] for first, second in pairwise(branches)):
            branches.sort(key=lambda branch: branch[:2])
            object.__setattr__(self, "mixers", tuple(mixer for _, _, mixer in branches))
            if self.widths is not None:
                object.__setattr__(self, "widths", tuple(width for _, width, _ in branches))
        return self

    @property
    def causal(self) -> bool:
        """Whether no token's output depends on later tokens."""
        return all(part.causal for part in self.parts())

    def parts(self) -> tuple[Primitive, ...]:
        """Mixers first, then the channel part."""
        return (*self.mixers, *((self.channel,) if self.channel else ()))

    def plain(self, d_model: int) -> Self:
        """The same with its mixers' plain forms, see `Primitive.plain`."""
        mixers = tuple(mixer.plain(width) for mixer, width in zip(self.mixers, self.widths_at(d_model), strict=True))
        if all(plain is mixer for plain, mixer in zip(mixers, self.mixers, strict=True)):
            return self
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate({**fields, "mixers": mixers})

    def widths_at(self, d_model: int) -> tuple[int, ...]:
        """The width each mixer works at."""
        return self.widths or (d_model,) * len(self.mixers)
