import json

import pytest

from search_spaces.catalogue import MAX_DEPTH, catalogue, genes_of
from search_spaces.genes import CONDITIONS


@pytest.mark.parametrize("mode", sorted(MAX_DEPTH))
def test_catalogue_genes_have_distinct_names_and_defaults_within_limits(mode):
    genes = genes_of(mode, 4)
    assert len({gene.name for gene in genes}) == len(genes)
    for gene in genes:
        assert gene.limits.parse(gene.default) == gene.default
        assert set(gene.needs) <= CONDITIONS.keys()


def test_catalogue_is_plain_data_for_both_modes():
    entries = json.loads(json.dumps(catalogue()))
    modes: dict[str, list[str]] = {entry["name"]: [] for entry in entries}
    for entry in entries:
        modes[entry["name"]] += entry["modes"]
        assert entry.keys() == {"name", "title", "limits", "default", "condition", "modes"}
    assert sorted(modes["depth"]) == sorted(modes["n_heads"]) == ["macro", "micro"]
    assert modes["attention_ratio"] == ["macro"]
    assert modes["layer*.mixer"] == ["micro"]


def test_catalogue_says_when_a_gene_is_active():
    conditions = {entry["name"]: entry["condition"] for entry in catalogue()}
    assert conditions["d_model"] == ""
    assert conditions["n_heads"] == "some layer has attention"
    assert conditions["n_shared"] == "some channel part is moe_shared"
