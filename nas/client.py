"""The Python client: everything the service does, typed, with retries that are safe.

from nas.client import Client

with Client() as nas:
    study = nas.submit(spec)
    for event in nas.watch(study.id):
        print(event.kind, event.data)
    best = next(nas.leaderboard(study.id))
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from nas.architectures import ArchitectureView
from nas.connection import Connection, find_connection
from nas.export.archive import receive, unpack
from nas.export.form import ExportName
from nas.export.size import OWN_SIZE, Size
from nas.keys import NewKey, Scope
from nas.pricing import Quote
from nas.problem import NothingThere, Problem, StateConflict
from nas.report.document import Report, RungCalibration
from nas.report.payoff_document import Comparison
from nas.store.reads import SortName
from nas.store.views import EventView, KeyView, LeaderboardRow, Page, StudyRow, StudyView, TrialHistory, TrialRow, TrialView
from nas.study import FINAL_STUDY_STATES, StudySpec, StudyState
from nas.subjects import is_study_id
from nas.transport import Query, Transport
from nas.trial import TrialState

Item = TypeVar("Item")
Spec = StudySpec | Mapping[str, Any]

PAGE = 200


class Client:
    """One service. A study is named by its id, or by its name where only one has it.

    Raises `nas.problem.RequestFailed` (with the problem document) when the service refuses, `nas.problem.Unreachable` when
    nothing answers, `nas.errors.Denied` when the saved key may be read by others.
    """

    def __init__(self, url: str | None = None, key: str | None = None, *, data_dir: Path | None = None) -> None:
        self.connection: Connection = find_connection(url, key, data_dir)
        self._transport = Transport(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def check(self, spec: Spec) -> Quote:
        """Validate and price a study without creating it."""
        return _read(Quote, self._transport.post("/v1/studies:check", _body(spec), repeatable=True).content)

    def submit(self, spec: Spec, idempotency_key: str | None = None) -> StudyRow:
        """Create a study.

        The same document gives the same study, however often it is sent, unless another key is given.
        """
        return self.submit_or_find(spec, idempotency_key)[0]

    def submit_or_find(self, spec: Spec, idempotency_key: str | None = None) -> tuple[StudyRow, bool]:
        """As `submit`, and whether the study was already there."""
        body = _body(spec)
        key = idempotency_key or hashlib.sha256(body.encode()).hexdigest()
        answer = self._transport.post("/v1/studies", body, idempotency_key=key)
        return _read(StudyView, answer.content).row, answer.headers.get("Idempotent-Replayed") == "true"

    def studies(self, *, states: tuple[StudyState, ...] = (), name: str | None = None) -> Iterator[StudyRow]:
        """Studies, newest first, fetched page by page."""
        return self._pages(StudyRow, "/v1/studies", {"state": states, "name": name})

    def study(self, study: str) -> StudyView:
        """One study with its spec."""
        return _read(StudyView, self._transport.get(self._path(study)))

    def trials(self, study: str, *, states: tuple[TrialState, ...] = ()) -> Iterator[TrialRow]:
        """All trials in order of number, unscored ones too."""
        return self._pages(TrialRow, f"{self._path(study)}/trials", {"state": states})

    def trial(self, study: str, number: int) -> TrialView:
        """One trial with its architecture, gene values and every attempt."""
        return _read(TrialView, self._transport.get(f"{self._path(study)}/trials/{number}"))

    def history(self, study: str) -> Iterator[TrialHistory]:
        """All trials in order of number, each with its gene values and what every rung gave."""
        return self._pages(TrialHistory, f"{self._path(study)}/history", {})

    def leaderboard(
        self,
        study: str,
        *,
        sort: SortName = "rank",
        descending: bool = False,
        where: tuple[str, ...] = (),
        reference: bool | None = None,
        pareto: bool | None = None,
    ) -> Iterator[LeaderboardRow]:
        """Scored trials, fetched page by page. `where` holds bounds such as `params<=5e6`; all must hold."""
        query: Query = {
            "sort": sort,
            "descending": descending,
            "where": where,
            "reference": reference,
            "pareto": pareto,
        }
        return self._pages(LeaderboardRow, f"{self._path(study)}/leaderboard", query)

    def pareto(self, study: str) -> tuple[TrialRow, ...]:
        """The trials that no other trial beats in every objective, best score first."""
        return _read(tuple[TrialRow, ...], self._transport.get(f"{self._path(study)}/pareto"))

    def calibration(self, study: str) -> tuple[RungCalibration, ...]:
        """How each rung orders trials against the next one, and whether it does better than the parameter count alone."""
        return _read(tuple[RungCalibration, ...], self._transport.get(f"{self._path(study)}/calibration"))

    def baselines(self, study: str) -> tuple[Comparison, ...]:
        """The search against each of its baselines at equal cost, with a verdict; empty where it has none."""
        return _read(tuple[Comparison, ...], self._transport.get(f"{self._path(study)}/baselines"))

    def report(self, study: str) -> Report:
        """Everything the study may claim, as it stands."""
        return _read(Report, self._transport.get(f"{self._path(study)}/report"))

    def watch(self, study: str, after: int = 0) -> Iterator[EventView]:
        """Events from the one after number `after` until the study is final; survives broken connections and restarts."""
        for sent in self._transport.events(f"{self._path(study)}/events", after):
            event = _read(EventView, sent.data)
            yield event
            if event.kind == "study.state" and event.data.get("state") in FINAL_STUDY_STATES:
                return

    def pause(self, study: str) -> StudyRow:
        """Start no new runs; those in flight go on."""
        return self._wish(study, "pause")

    def resume(self, study: str) -> StudyRow:
        """Go on with a paused study."""
        return self._wish(study, "resume")

    def stop(self, study: str) -> StudyRow:
        """End a study for good; what was measured stays."""
        return self._wish(study, "stop")

    def export(
        self,
        study: str,
        number: int,
        folder: Path,
        *,
        replace: bool = False,
        form: ExportName = "bundle",
        task: str | None = None,
        weights: bool = True,
        size: Size = OWN_SIZE,
    ) -> tuple[Path, ...]:
        """Take a trial home in `folder`, as a bundle or in another form. Returns the files.

        `task` says whose weights, where there are several tasks; a trial at another size has none. Raises as
        `nas.export.archive.unpack` does.
        """
        query: Query = {"format": form, "task": task, "weights": weights, **asdict(size)}
        with TemporaryFile() as archive:
            with self._transport.download(f"{self._path(study)}/trials/{number}/export", query) as chunks:
                receive(chunks, archive)
            return unpack(archive, folder, replace=replace)

    def architecture(self, digest: str) -> ArchitectureView:
        """An architecture that was tried, by its digest or the first digits of it: its cost, its forms, its trials."""
        return _read(ArchitectureView, self._transport.get(f"/v1/architectures/{quote(digest, safe='')}"))

    def create_key(self, owner: str, scopes: tuple[Scope, ...], label: str = "") -> NewKey:
        """A new API key. Its token is in the answer and nowhere else."""
        body = json.dumps({"owner": owner, "scopes": scopes, "label": label})
        return _read(NewKey, self._transport.post("/v1/keys", body).content)

    def list_keys(self) -> tuple[KeyView, ...]:
        """API keys without their secrets."""
        return _read(tuple[KeyView, ...], self._transport.get("/v1/keys"))

    def revoke_key(self, key_id: str) -> None:
        """End a key, for good."""
        self._transport.delete(f"/v1/keys/{quote(key_id, safe='')}")

    def _wish(self, study: str, verb: str) -> StudyRow:
        return _read(StudyRow, self._transport.post(f"{self._path(study)}:{verb}", repeatable=True).content)

    def _path(self, study: str) -> str:
        return f"/v1/studies/{study if is_study_id(study) else self._id_of(study)}"

    def _id_of(self, name: str) -> str:
        found = [study.id for study in islice(self.studies(name=name), 2)]
        if not found:
            raise NothingThere(Problem(status=404, title="There is no such thing", detail=f"you have no study named {name!r}"))
        if len(found) > 1:
            # an administrator sees everybody's, and must not stop one for another
            detail = f"several owners have a study named {name!r}; give its id, such as {found[0]}"
            raise StateConflict(Problem(status=409, title="The name is not enough", detail=detail))
        return found[0]

    def _pages(self, kind: type[Item], path: str, query: Query) -> Iterator[Item]:
        cursor: str | None = None
        while True:
            page = _read(Page[kind], self._transport.get(path, {**query, "limit": PAGE, "cursor": cursor}))  # type: ignore[valid-type]
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return


def _read(kind: type[Item], content: bytes | str) -> Item:
    return TypeAdapter(kind).validate_json(content)


def _body(spec: Spec) -> str:
    """One text for one document, so that its hash can be its idempotency key."""
    return spec.canonical_json() if isinstance(spec, StudySpec) else json.dumps(spec, sort_keys=True, allow_nan=False)
