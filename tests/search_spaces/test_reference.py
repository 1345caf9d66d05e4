"""docs/primitives.md is what the code says, the code says it of every part, and its formulas are what the parts cost."""

import math
import re
from pathlib import Path
from typing import get_args

import pytest

from search_spaces.catalogue import MIXERS, genes_of
from search_spaces.document import Document
from search_spaces.options.channels import OPTIONS as CHANNELS
from search_spaces.presets import PRESETS
from search_spaces.primitives import CATALOGUE, CostContext
from search_spaces.primitives.primitive import Family
from search_spaces.reference.examples import D_MODEL, EXAMPLES
from search_spaces.reference.fields import fields_of
from search_spaces.reference.markdown import anchor, equations, sourced, table, text
from search_spaces.reference.models import models
from search_spaces.reference.page import MODELS, page
from tests.search_spaces.formulas import evaluated

PAGE = (Path(__file__).parents[2] / "docs" / "primitives.md").read_text(encoding="utf-8")

CONTEXTS = (CostContext(context_length=1024), CostContext(context_length=37, bytes_per_element=4))


def test_examples_are_one_of_each():
    assert EXAMPLES.keys() == CATALOGUE.keys()
    assert {type(part) for part in EXAMPLES.values()} == set(CATALOGUE.values())
    assert not [list(part.problems(D_MODEL)) for part in EXAMPLES.values() if list(part.problems(D_MODEL))]


@pytest.mark.parametrize("kind", CATALOGUE)
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("d_model", [D_MODEL, 192])
def test_formulas_are_what_the_examples_cost(kind, context, d_model):
    part = EXAMPLES[kind]
    cost, formulas = part.cost(d_model, context), part.formulas
    assert evaluated(part, formulas.params, d_model, context) == cost.params
    assert evaluated(part, formulas.state, d_model, context) == cost.state_bytes
    if kind == "segment_attention":  # what a token sees on average has no short formula
        return
    assert math.ceil(evaluated(part, formulas.flops, d_model, context)) == cost.flops_per_token


def test_page_is_what_the_code_says():
    assert page() == PAGE, "docs/primitives.md is stale: run `make docs`"


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_primitive_says_what_it_is(kind):
    part = CATALOGUE[kind]
    assert part.family in get_args(Family)
    for words in (part.title, part.source, part.equation, part.oracle, part.__doc__):
        assert (words or "").strip()
    assert re.search(r"\d{4}\.\d{4,5}", part.source)


@pytest.mark.parametrize("document", [*CATALOGUE.values(), *MODELS], ids=lambda document: document.__name__)
def test_every_field_has_a_docstring_and_limits(document):
    for name, field in document.model_fields.items():
        assert name == "kind" or field.description, f"{document.__name__}.{name} has no docstring"
    for field in fields_of(document):
        assert field.meaning.endswith((".", ")")), field
        # no number without bounds: sizes are bounded before anything is allocated
        assert not re.search(r"(integer|number)(,|$)", field.allowed), field
        assert f"| `{field.name}` |" in PAGE


def test_page_describes_every_document_of_an_architecture():
    described = {document.__name__ for document in (*CATALOGUE.values(), *MODELS)}
    assert _documents(Document) & set(MODELS[0].model_json_schema()["$defs"]) <= described


def _documents(base):
    return {kind.__name__ for kind in base.__subclasses__()} | {
        name for kind in base.__subclasses__() for name in _documents(kind)
    }


def test_page_names_everything_that_can_be_searched():
    genes = {gene.name for mode in ("macro", "micro") for gene in genes_of(mode, 1)}
    for name in (*genes, *MIXERS, *CHANNELS, *PRESETS):
        assert f"| `{name}` |" in PAGE


def test_links_within_the_page_lead_to_headings():
    headings = [re.sub("^#+ ", "", line) for line in PAGE.splitlines() if line.startswith("#")]
    anchors = [anchor(heading) for heading in headings]
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) == set(anchors) - {anchor("What can be searched")}


def test_tables_have_as_many_cells_as_headings():
    for block in re.findall(r"(?:^\|.*\n)+", PAGE, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block


def test_nothing_on_the_page_is_a_python_value():
    for sign in ("ClassVar", "Annotated", "typing", "<class", "PydanticUndefined", "NoneType", "Literal["):
        assert sign not in PAGE


def test_options_of_models_are_all_different_models():
    built = dict(models())
    assert len({architecture.digest for architecture in built.values()}) == len(built)


def test_markdown_keeps_signs_and_leaves_code_alone():
    assert text("a * b | c < d, `e * f`") == r"a \* b \| c \< d, `e * f`"
    assert table(("a", ">b"), [("x", "1")]) == "| a | b |\n| --- | --: |\n| x | 1 |"
    assert sourced("arXiv 2312.00752").endswith("[2312.00752](https://arxiv.org/abs/2312.00752)")
    assert equations("k = [a; b]; v = c") == "k = [a; b]\nv = c"
