"""A number as reports give it."""

from search_spaces.document import Document


class Estimate(Document):
    """A value with its 95 % interval, None where there is too little to make one from."""

    value: float
    low: float | None = None
    high: float | None = None
