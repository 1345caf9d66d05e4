import pytest

from search_spaces.catalogue import MAX_DEPTH, MIXERS, genes_of
from search_spaces.genes import CONDITIONS


@pytest.mark.parametrize("mode", sorted(MAX_DEPTH))
def test_catalogue_genes_have_distinct_names_and_defaults_within_limits(mode):
    genes = genes_of(mode, 4)
    assert len({gene.name for gene in genes}) == len(genes)
    for gene in genes:
        assert gene.limits.parse(gene.default) == gene.default
        assert gene.needs in {"", *CONDITIONS, *MIXERS}


def test_catalogue_modes_share_the_knobs_and_differ_in_the_layout():
    macro, micro = ({gene.name for gene in genes_of(mode, 2)} for mode in ("macro", "micro"))
    assert {"n_heads", "n_loops", "ffn_ratio"} <= macro & micro
    layout = {"placement", "attention_ratio", "attention_layers", "attention_mixer", "linear_mixer", "channel", "moe_period"}
    assert macro - micro == layout
    assert micro - macro == {"layer0.mixer", "layer0.channel", "layer1.mixer", "layer1.channel"}


def test_catalogue_says_when_a_gene_is_active():
    conditions = {gene.name: gene.condition for gene in (*genes_of("macro", 1), *genes_of("micro", 2))}
    assert conditions["d_model"] == ""
    assert conditions["sink"] == "some layer is attention"
    assert conditions["n_shared"] == "some channel part is moe_shared"
    assert conditions["layer1.mixer"] == "depth is above 1"


@pytest.mark.parametrize("mode", sorted(MAX_DEPTH))
def test_catalogue_limits_read_as_text(mode):
    limits = {gene.name: str(gene.limits) for gene in genes_of(mode, 1)}
    assert limits["d_model"] == "an integer from 4 to 65536"
    assert limits["ffn_ratio"] == "a number from 0.125 to 32"
    assert limits["n_kv_heads"] == 'an integer from 1 to 256, or "all"'
    assert limits["rope"] == "true, false"
