"""Small SVG drawings: an element, a scale, axes. Colours come from the page's variables, so that they follow light and dark."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from markupsafe import Markup, escape

WIDTH: Final = 400
"""Units of every drawing: about as many pixels as a phone is wide, so that text stays readable there."""
BOTTOM: Final = 34
"""Room for the ticks and the title of the axis below."""


def element(name: str, *inside: str | Markup, **attributes: str | float | None) -> Markup:
    """An element with everything escaped. `class_` is `class`, other underscores are hyphens; None leaves an attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{''.join(map(escape, inside))}</{name}>")


def _short(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def text(
    x: float, y: float, words: str, anchor: Literal["start", "middle", "end"] = "start", class_: str | None = None
) -> Markup:
    """A line of text."""
    return element("text", words, x=x, y=y, text_anchor=None if anchor == "start" else anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def dot(x: float, y: float, class_: str, title: str | None = None, r: float = 3.5) -> Markup:
    """A point; `title` is shown where a pointer rests on it."""
    return element("circle", *((element("title", title),) if title else ()), cx=x, cy=y, r=r, class_=class_)


def path(points: Iterable[tuple[float, float]], class_: str, *, steps: bool = False) -> Markup:
    """A line through points; with `steps` it runs level to each next one and then turns."""
    placed = [(f"{x:.1f}", f"{y:.1f}") for x, y in points]
    head = [f"M{x} {y}" for x, y in placed[:1]]
    rest = [f"H{x}V{y}" if steps else f"L{x} {y}" for x, y in placed[1:]]
    return element("path", d="".join(head + rest), class_=class_)


def area(lower: Sequence[tuple[float, float]], upper: Sequence[tuple[float, float]], class_: str) -> Markup:
    """What lies between two lines."""
    around = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*lower, *reversed(upper)))
    return element("polygon", points=around, class_=class_)


def drawing(height: float, label: str, *parts: Markup, width: float = WIDTH) -> Markup:
    """A whole drawing. `label` says in words what it shows, for who does not see it."""
    return element("svg", *parts, viewBox=f"0 0 {_short(width)} {_short(height)}", role="img", aria_label=label)


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to places along an axis, in equal steps or, `log`, in equal factors."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float, *, log: bool = False) -> "Scale":
        """One that holds all values, with a little room on both sides. A logarithmic one takes positive values only."""
        low, high = min(values), max(values)
        if log:
            room = max(0.06 * math.log10(high / low), 0.08)
            return cls(low / 10**room, high * 10**room, start, end, log=True)
        # of numbers that are all but equal, a float could not hold the steps between
        room = max(0.05 * (high - low), 1e-6 * max(abs(low), abs(high)), 1e-9) if high > low else 0.05 * max(abs(high), 1e-3)
        return cls(low - room, high + room, start, end)

    def __call__(self, value: float) -> float:
        """The place of a value."""
        along = math.log(value / self.low) / math.log(self.high / self.low) if self.log else self._linear(value)
        return self.start + (self.end - self.start) * along

    def _linear(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> tuple[float, ...]:
        """Two to six round values within."""
        return self._factors() if self.log else self._steps()

    def _steps(self) -> tuple[float, ...]:
        rough = (self.high - self.low) / 4
        size = 10 ** math.floor(math.log10(rough))
        step = next((size * factor for factor in (1, 2, 2.5, 5) if size * factor >= rough), size * 10)
        first = math.ceil(self.low / step)
        return tuple(round(step * at, 12) for at in range(first, math.floor(self.high / step) + 1))

    def _factors(self) -> tuple[float, ...]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1,), (1, 3), (1, 2, 5)):
            found = tuple(digit * 10.0**decade for decade in decades for digit in digits)
            within = tuple(value for value in found if self.low <= value <= self.high)
            if len(within) >= 3:
                return within[:: math.ceil(len(within) / 6)]
        # within one decade equal factors are near equal steps
        return self._steps()


Words = Callable[[float], str]


def x_axis(scale: Scale, top: float, bottom: float, title: str, words: Words) -> Markup:
    """Grid lines from top to bottom, with values and the title below."""
    lines = [line(scale(tick), top, scale(tick), bottom, "grid") for tick in scale.ticks()]
    values = [text(scale(tick), bottom + 13, words(tick), "middle", "tick") for tick in scale.ticks()]
    name = text((scale.start + scale.end) / 2, bottom + 28, title, "middle", "title")
    return Markup("").join([*lines, *values, name])


def y_axis(scale: Scale, left: float, right: float, title: str, words: Words) -> Markup:
    """Grid lines from left to right, with values beside them and the title above."""
    lines = [line(left, scale(tick), right, scale(tick), "grid") for tick in scale.ticks()]
    values = [text(left - 5, scale(tick) + 3.5, words(tick), "end", "tick") for tick in scale.ticks()]
    return Markup("").join([*lines, *values, text(2, 10, title, "start", "title")])
