"""Large numbers in three digits and a unit."""

import pytest

from nas.quantities import measured, ratio, short_bytes, short_count


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00K"),
        (1_234_567, "1.23M"),
        (12_345_678, "12.3M"),
        (123_456_789, "123M"),
        (10**15, "1.00P"),
        (10**24, "1.00e24"),
        (1_237 * 10**400, "1.23e403"),
    ],
)
def test_short_count_has_three_digits_and_a_letter(value: int, text: str) -> None:
    assert short_count(value) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0 B"), (1023, "1023 B"), (2048, "2.00 KiB"), (5 * 2**20, "5.00 MiB")])
def test_short_bytes_has_binary_units(value: int, text: str) -> None:
    assert short_bytes(value) == text


@pytest.mark.parametrize(
    ("value", "base", "text"),
    [(3, 2, "1.5×"), (1, 3, "0.333×"), (7, 7, "1×"), (12_345, 10, "1,234×"), (0, 5, "0×"), (5, 0, "–")],
)
def test_ratio_has_three_digits(value: float, base: float, text: str) -> None:
    assert ratio(value, base) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00125, "J/token", "1.25 mJ/token"),
        (12.0, "s", "12 s"),
        (0.0000042, "s/token", "4.2 µs/token"),
        (4e-9, "s", "0.004 µs"),
        (0.0, "s", "0 µs"),
        (12345.6, "tokens/s", "12.3K tokens/s"),
        (2048.0, "bytes", "2.00 KiB"),
        (0.125, "", "0.125"),
    ],
)
def test_a_measurement_has_four_digits_and_a_unit(value, unit, text):
    assert measured(value, unit) == text
