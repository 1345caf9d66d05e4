"""How references are read, and what is said about words that are none."""

import pytest

from nas.errors import Invalid, NotFound
from nas.subjects import DigestReference, Reference, TrialReference, ZooReference, build_zoo, parse_reference
from search_spaces.zoo import ZOO

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("zoo:mamba2", ZooReference("mamba2")),
        ("zoo:../mamba", ZooReference("../mamba")),
        ("recall/12", TrialReference("recall", 12)),
        ("recall demo/0", TrialReference("recall demo", 0)),
        ("a/b/3", TrialReference("a/b", 3)),
        ("2026/11", TrialReference("2026", 11)),
        (f"{DIGEST}/4", TrialReference(DIGEST, 4)),
        ("deadbeef", DigestReference("deadbeef")),
        ("DEADBEEF01", DigestReference("deadbeef01")),
        (DIGEST, DigestReference(DIGEST)),
    ],
)
def test_reference_is_read(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    "text", ["", "mamba2", "recall", "/3", "recall/", "recall/-1", "recall/03", "recall/1.5", "deadbee", DIGEST + "0", "g" * 8]
)
def test_word_that_is_none_is_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(Invalid, match="zoo:NAME, STUDY/NUMBER"):
        parse_reference(text)


def test_zoo_entry_without_its_prefix_is_told_of_it() -> None:
    with pytest.raises(Invalid, match=r"did you mean zoo:mamba2\?; write zoo:NAME"):
        parse_reference("mamba2")


def test_endless_word_is_not_repeated() -> None:
    with pytest.raises(Invalid, match="a reference of 10,000 characters") as refused:
        parse_reference("a" * 10_000)
    assert len(str(refused.value)) < 200


def test_zoo_entry_is_built_at_a_size() -> None:
    assert build_zoo(ZooReference("mamba"), 32, 50) == ZOO["mamba"].build(32, 50)
    with pytest.raises(NotFound, match="no zoo entry 'mamba3'; did you mean 'mamba'"):
        build_zoo(ZooReference("mamba3"), 32, 50)
    with pytest.raises(NotFound, match=r"there are .*bitnet.*zamba"):
        build_zoo(ZooReference("?"), 32, 50)
    with pytest.raises(Invalid, match="zoo:mamba cannot be built: d_model 13"):
        build_zoo(ZooReference("mamba"), 13, 50)
