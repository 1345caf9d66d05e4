import pytest

from search_spaces.scaling import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("350M", 350_000_000),
        ("350m", 350_000_000),
        ("1.3B", 1_300_000_000),
        ("7b", 7_000_000_000),
        ("0.5 b", 500_000_000),
        ("125k", 125_000),
        ("1T", 10**12),
        ("350_000_000", 350_000_000),
        ("350,000,000", 350_000_000),
        (" 4096 ", 4096),
        ("1.000001k", None),
        ("1e9", None),
        ("", None),
        ("M", None),
        ("-3M", None),
        ("0", None),
        ("2T", None),
        ("3.M", None),
        ("1_00", None),
        ("NaN", None),
        ("350MB", None),
        ("٣M", None),
    ],
)
def test_parse_size_reads_what_people_write(text: str, size: int | None) -> None:
    if size is not None:
        assert parse_size(text) == size
        return
    with pytest.raises(ValueError, match=r"size|whole number|at most 1T"):
        parse_size(text)


@pytest.mark.parametrize("size", [1, 999, 1000, 350_000_000, 1_300_000_000, 10**12])
def test_format_size_reads_back_as_the_same(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_format_size_has_four_digits() -> None:
    assert format_size(351_456_789) == "351.5M"
