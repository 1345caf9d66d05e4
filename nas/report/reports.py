"""Reports, each kept until something happens in its study or a baseline of it: a large one takes seconds to put together."""

from typing import Final

from sqlalchemy import Engine

from nas.kept import Kept
from nas.keys import Principal
from nas.report.document import Report
from nas.report.report import study_report
from nas.store.leaders import moment

KEPT_REPORTS: Final = 16
"""A report of thousands of trials is about a megabyte."""


class Reports:
    """Of every study in a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: Kept[Report] = Kept(KEPT_REPORTS)

    def get(self, principal: Principal, study_id: str) -> Report:
        """The report of a study as it stands. Raises `NotFound`."""
        now = moment(self._engine, principal, study_id)
        return self._kept.get(study_id, now, lambda: study_report(self._engine, principal, study_id))
