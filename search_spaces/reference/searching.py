"""The second half of the page: what a space may leave open, its genes, the words of mixers and channel parts, and presets."""

from collections.abc import Iterable, Iterator
from inspect import getdoc

from search_spaces.catalogue import ATTENTION_MIXERS, MIXERS, genes_of
from search_spaces.genes import Gene, shown
from search_spaces.options.channels import OPTIONS as CHANNELS
from search_spaces.options.option import Assignment
from search_spaces.presets import PRESETS
from search_spaces.primitives import Primitive
from search_spaces.reference.examples import CONTEXT, D_MODEL
from search_spaces.reference.markdown import code, link, table, text

_COSTS = (">params", ">FLOPs/token", ">state bytes")
_DEFAULTS: Assignment = {gene.name: gene.default for gene in genes_of("macro", 1)}


def searching() -> Iterator[str]:
    """What a space may leave open."""
    yield (
        "## Spaces\n\nA space lists values for some genes; the others have their defaults. In *macro* mode a ratio and a "
        "placement decide which layers have attention; in *micro* mode every position has genes of its own."
    )
    yield "### Genes\n\n" + _genes(genes_of("macro", 1))
    in_macro = {gene.name for gene in genes_of("macro", 1)}
    more = [gene for gene in genes_of("micro", 1) if gene.name not in in_macro or gene.name == "fusion"]
    yield (
        "### Genes of micro mode\n\nThe knobs above, and in the place of placement, mixers and channel parts, for every "
        "position:\n\n" + _genes(more)
    )
    yield "### Words of mixers\n\n" + _mixers()
    yield "### Words of channel parts\n\n" + _channels()
    yield "### Presets\n\n" + _presets()


def _genes(genes: Iterable[Gene]) -> str:
    rows = (
        (code(gene.name), text(gene.title), text(str(gene.limits)), code(shown(gene.default)), text(gene.condition) or "always")
        for gene in genes
    )
    return table(("gene", "what it decides", "values", "default", "asked when"), rows)


def _mixers() -> str:
    rows = (
        (
            code(name),
            "attention_mixer" if name in ATTENTION_MIXERS else "linear_mixer",
            *_built(option.build(_DEFAULTS, D_MODEL)),
            _opened((name, *option.facts)),
        )
        for name, option in MIXERS.items()
    )
    return table(("word", "of gene", "builds, at the defaults", *_COSTS, "genes it opens"), rows)


def _channels() -> str:
    rows = ((code(name), *_built(option.build(_DEFAULTS)), _opened(option.facts)) for name, option in CHANNELS.items())
    return table(("word", "builds, at the defaults", *_COSTS, "genes it opens"), rows)


def _built(part: Primitive | None) -> tuple[str, str, str, str]:
    """What a word builds, and its cost."""
    if part is None:
        return "nothing", "0", "0", "0"
    cost = part.cost(D_MODEL, CONTEXT)
    built = f"{link(part.kind, part.kind)} {code(part.label())}"
    return built, f"{cost.params:,}", f"{cost.flops_per_token:,}", f"{cost.state_bytes:,}"


def _opened(facts: Iterable[str]) -> str:
    """Genes that become active with these facts; they may open further ones."""
    known = set(facts)
    return ", ".join(code(gene.name) for gene in genes_of("macro", 1) if gene.needs in known)


def _presets() -> str:
    """Named spaces with what they ask and how many assignments they have."""
    spaces = {name: build() for name, build in PRESETS.items()}
    rows = ((code(name), text(getdoc(PRESETS[name]) or ""), _count(space.size())) for name, space in spaces.items())
    return table(("preset", "question", ">assignments"), rows)


def _count(value: int) -> str:
    """Exact below a million; beyond, two digits and a power of ten."""
    digits = str(value)
    return f"{value:,}" if len(digits) <= 6 else f"{digits[0]}.{digits[1]} · 10^{len(digits) - 1}"
