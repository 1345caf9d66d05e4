"""What pydantic finds, said in a person's words and with a JSON pointer."""

from typing import Annotated, Literal

import pytest
from pydantic import Field

from nas.errors import Invalid
from nas.validation import validate
from search_spaces.document import Document


class Round(Document):
    kind: Literal["round"]
    radius: Annotated[float, Field(gt=0)] = 1.0


class Square(Document):
    kind: Literal["square"]
    side: Annotated[int, Field(ge=1, le=9)]


class Box(Document):
    shapes: tuple[Annotated[Round | Square, Field(discriminator="kind")], ...] = ()
    words: Annotated[tuple[str, ...], Field(min_length=1)] = ("a",)
    label: Annotated[str, Field(min_length=1, max_length=5)] | None = None
    sizes: Annotated[tuple[int, ...], Field(max_length=2)] = ()
    by_name: dict[str, int] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("document", "pointer", "reason"),
    [
        ({"shapes": [{"kind": "square"}]}, "/shapes/0/side", "is required"),
        ({"shapes": [{"kind": "square", "side": 0}]}, "/shapes/0/side", "should be greater than or equal to 1, not 0"),
        (
            {"shapes": [{"kind": "square", "sid": 3, "side": 3}]},
            "/shapes/0/sid",
            "there is no field 'sid'; did you mean 'side'?",
        ),
        ({"shapes": [{"kind": "round", "x": 3}]}, "/shapes/0/x", "there is no field 'x'; there are kind, radius"),
        ({"shapes": [{"kind": "oval"}]}, "/shapes/0", "'oval' is not one of 'round', 'square'"),
        ({"shapes": [{}]}, "/shapes/0", "needs 'kind', which says what it is"),
        ({"shapes": {}}, "/shapes", "should be a valid array"),
        ({"label": "toolong"}, "/label", 'should have at most 5 characters, not "toolong"'),
        ({"label": 5}, "/label", "should be a valid string, not 5"),
        ({"sizes": [1, True]}, "/sizes/1", "should be a valid integer, not true"),
        ({"sizes": [None]}, "/sizes/0", "should be a valid integer, not null"),
        ({"words": []}, "/words", "should have at least 1 item, not 0"),
        ({"by_name": {"a/b~c": "x"}}, "/by_name/a~1b~0c", 'should be a valid integer, not "x"'),
        ([], "", "should be an object"),
        ({"a" * 500: 1}, "/" + "a" * 500, "there is no field 'aaaaa"),
    ],
)
def test_validate_points_and_explains(document: object, pointer: str, reason: str):
    with pytest.raises(Invalid) as raised:
        validate(Box, document)
    assert raised.value.problems[0].pointer == pointer
    assert raised.value.problems[0].reason.startswith(reason)
    assert len(raised.value.problems[0].reason) < 300


def test_validate_names_many_problems_but_not_all():
    with pytest.raises(Invalid) as raised:
        validate(Box, {"sizes": [0, 0], **{f"field{number}": 1 for number in range(500)}})
    assert len(raised.value.problems) == 20


def test_an_array_of_wrong_things_is_not_called_too_short():
    with pytest.raises(Invalid) as raised:
        validate(Box, {"words": [1]})
    assert [problem.pointer for problem in raised.value.problems] == ["/words/0"]


class Crate(Document):
    boxes: tuple[int, ...] = ()
    weight: int = Field(default_factory=lambda given: sum(given["boxes"]))


def test_a_default_that_depends_on_what_is_wrong_is_no_problem_of_its_own():
    with pytest.raises(Invalid) as raised:
        validate(Crate, {"boxes": ["heavy"]})
    assert [problem.pointer for problem in raised.value.problems] == ["/boxes/0"]
    assert validate(Crate, {"boxes": [1, 2]}).weight == 3


def test_validate_returns_the_document():
    assert validate(Box, {"shapes": [{"kind": "square", "side": 3}]}) == Box(shapes=(Square(kind="square", side=3),))
