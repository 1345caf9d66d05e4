import numpy as np
import pytest

from nas.statistics.attribution import attribute

GENERATOR = np.random.default_rng(5)


def draw(n, genes, levels=3):
    rows = GENERATOR.integers(0, levels, (n, genes))
    return [{f"gene_{at}": int(value) for at, value in enumerate(row)} for row in rows]


def noisy(scores, noise=0.05):
    return [score + noise * float(GENERATOR.normal()) for score in scores]


def test_a_full_factorial_design_has_its_textbook_sums_of_squares():
    params = [{"a": a, "b": b} for a in (0, 1) for b in (0, 1, 2) for _ in range(4)]
    scores = noisy([0.3 * each["a"] + 0.1 * each["b"] for each in params])
    found = {effect.gene: effect for effect in attribute(params, scores).main}
    for gene in ("a", "b"):
        for level in found[gene].levels:
            own = [score for each, score in zip(params, scores, strict=True) if each[gene] == level.value]
            assert level.mean == pytest.approx(np.mean(own))
            assert level.n_trials == len(own)


def test_the_gene_that_won_is_named_with_its_share():
    params = draw(400, 6)
    scores = noisy([0.1 * each["gene_0"] for each in params], 0.05)
    found = attribute(params, scores)
    assert found.adjusted
    best = found.main[0]
    assert (best.gene, best.best.value) == ("gene_0", 2)
    # variance of 0, 0.1 and 0.2 equally often, beside the noise's
    share = (0.02 / 3) / (0.02 / 3 + 0.0025)
    assert best.share_low <= share <= best.share_high
    assert best.share == pytest.approx(share, abs=0.04)
    assert best.p_value < 1e-6
    assert found.explained == pytest.approx(share, abs=0.05)


def test_company_is_not_praised():
    # a sampler kept gene b near gene a: alone, b looks as good
    params = [{"a": a, "b": a if GENERATOR.random() < 0.8 else 1 - a} for a in GENERATOR.integers(0, 2, 300).tolist()]
    found = {effect.gene: effect for effect in attribute(params, noisy([0.2 * each["a"] for each in params])).main}
    assert found["a"].p_value < 1e-6
    assert found["b"].share < 0.02
    assert found["b"].p_value > 0.05


def test_a_pair_that_is_more_than_its_parts_is_found():
    params = draw(400, 5, levels=2)
    found = attribute(params, noisy([0.2 * (each["gene_1"] == each["gene_3"]) for each in params]))
    strongest = found.interactions[0]
    assert strongest.genes == ("gene_1", "gene_3")
    assert strongest.p_value < 1e-6
    assert found.n_pairs == 10
    assert {cell.values: round(cell.effect, 1) for cell in strongest.cells} == {
        (0, 0): 0.1, (0, 1): -0.1, (1, 0): -0.1, (1, 1): 0.1,
    }  # fmt: skip
    assert all(cell.low < cell.effect < cell.high for cell in strongest.cells)
    # a quarter of 0.2² is 0.01, beside the noise's 0.0025
    assert strongest.share == pytest.approx(0.8, abs=0.04)
    assert found.interactions[1].p_value > 0.05


def test_genes_without_effect_are_called_significant_at_most_5_times_in_100():
    main, pairs = [], []
    for _ in range(100):
        found = attribute(draw(60, 4, levels=2), GENERATOR.normal(size=60).tolist())
        main.append(min(effect.p_value for effect in found.main) <= 0.05)
        pairs.append(min(pair.p_value for pair in found.interactions) <= 0.05)
    # 100 studies: 5 % is measured to within 2.2 points
    assert np.mean(main) <= 0.11
    assert np.mean(pairs) <= 0.11


def test_marginal_means_are_covered():
    covered = []
    for _ in range(60):
        params = draw(60, 4)
        # noise that differs: three times as much at one value
        scores = [0.1 * each["gene_0"] + (0.03 + 0.06 * (each["gene_0"] == 2)) * GENERATOR.normal() for each in params]
        gene = next(effect for effect in attribute(params, scores).main if effect.gene == "gene_0")
        covered.append([level.low <= 0.1 * float(level.value) <= level.high for level in gene.levels])
    # 180 levels: 95 % is measured to within 1.6 points
    assert 0.91 <= np.mean(covered) <= 0.99


def test_a_conditional_gene_explains_those_that_have_it():
    params: list[dict[str, bool | int | float | str]] = [
        {"mixer": "attention", "window": int(GENERATOR.choice([8, 16]))} if GENERATOR.random() < 0.5 else {"mixer": "mamba"}
        for _ in range(300)
    ]
    scores = noisy([0.3 * (each["mixer"] == "attention") + 0.1 * (each.get("window") == 16) for each in params], 0.02)
    mixer, window = attribute(params, scores).main
    assert (mixer.gene, window.gene) == ("mixer", "window")
    assert [level.mean for level in mixer.levels] == pytest.approx([0.35, 0.0], abs=0.02)
    assert [level.mean for level in window.levels] == pytest.approx([0.3, 0.4], abs=0.02)
    assert sum(level.n_trials for level in window.levels) < 300


def test_few_trials_are_looked_at_gene_by_gene():
    params = draw(12, 6)
    found = attribute(params, noisy([0.3 * each["gene_0"] for each in params]))
    assert not found.adjusted
    assert found.explained is None
    assert found.main[0].gene == "gene_0"
    assert found.interactions == ()


def test_genes_that_always_change_together_share_the_credit():
    params = [{"a": value, "b": value} for value in GENERATOR.integers(0, 2, 100).tolist()]
    one, other = attribute(params, noisy([0.2 * each["a"] for each in params])).main
    assert one.share == pytest.approx(other.share, rel=1e-3)
    assert one.p_value > 0.05


def test_a_score_without_noise_is_explained_whole():
    params = draw(50, 3)
    found = attribute(params, [0.1 * each["gene_0"] for each in params])
    assert found.main[0].share == pytest.approx(1)
    assert found.main[0].p_value == 0
    assert found.main[1].p_value == 1


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_trials_say_nothing(n):
    assert attribute(draw(n, 2), [0.1 * at for at in range(n)]).main == ()


def test_equal_scores_say_nothing():
    assert attribute(draw(20, 2), [0.3] * 20).main == ()


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="params and a score"):
        attribute(draw(3, 2), [0.1])


def test_the_order_of_trials_does_not_matter_to_what_is_measured():
    params = draw(80, 4)
    scores = noisy([0.1 * each["gene_0"] for each in params])
    order = GENERATOR.permutation(80).tolist()
    one, other = attribute(params, scores), attribute([params[at] for at in order], [scores[at] for at in order])
    for first, second in zip(one.main[:1], other.main[:1], strict=True):
        assert first.gene == second.gene
        assert first.p_value == pytest.approx(second.p_value)
        assert [level.mean for level in first.levels] == pytest.approx([level.mean for level in second.levels])


def test_every_pair_of_twenty_genes_is_looked_at():
    params = draw(1000, 20, levels=4)
    assert attribute(params, noisy([0.1 * each["gene_0"] for each in params])).n_pairs == 190
