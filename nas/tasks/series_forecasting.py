"""Forecasting of measurements that a user brings as CSV or NPY."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nas.tasks.forecast import ForecastTask

ColumnName = Annotated[str, Field(min_length=1, max_length=256)]


class SeriesForecasting(ForecastTask):
    """Foretell the measurements of a file below the data root: the last tenth of the time tests, the tenth before validates.

    Every row is a time, equally far from the next. Values are standardised by the mean and deviation of the part that trains.
    Validation and test windows start at even distances; where there are few rows they overlap, and the interval of a score,
    which counts them as independent, is too narrow.
    """

    title: ClassVar[str] = "Forecasting of measurements"
    source: ClassVar[str] = "measurements of the user"

    name: Literal["series_forecasting"] = "series_forecasting"
    file: Annotated[str, Field(min_length=1, max_length=1024)] = "measurements.csv"
    """A path relative to the data root."""
    columns: Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=256)] = ("value",)
    """Names of the header, or "1", "2", … where there is none; the model reads and foretells all of them."""
    series_digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the columns as read; found at submission when it is left out. Runs on other measurements fail."""

    @model_validator(mode="after")
    def _different(self) -> Self:
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns must be different ones")
        return self

    @property
    def channels(self) -> int:
        """The columns."""
        return len(self.columns)
