"""The pages' handlers: read the store as the API does, and render."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Engine

from api import body
from api.errors import Kind
from api.pages import assets, compare
from api.pages.offers import offers
from api.pages.rendering import render
from api.routers.leaderboard import FilterDep, SortDep
from api.routers.parameters import Cursor, StudyId, TrialNumber
from api.security import SESSION_COOKIE, Reader, SessionCookie, Writer, forget_session, refuse_other_sites, set_session
from api.services import EngineDep, LeaderboardsDep, ReportsDep
from nas.errors import Denied
from nas.keys import Principal
from nas.ledger import rate_rows
from nas.metrics import known, reported_metrics
from nas.objectives import objectives_of
from nas.protocol import Protocol
from nas.quantities import measured
from nas.report.document import is_doubtful
from nas.report.page import page as written
from nas.run import Result
from nas.store import reads
from nas.store.sessions import close_session, open_session
from nas.store.submissions import set_wish
from nas.store.views import TrialRow
from nas.study import FINAL_STUDY_STATES, Wish
from nas.trial import TrialState
from search_spaces.architecture import Architecture
from search_spaces.catalogue import MAX_DEPTH, genes_of
from search_spaces.genes import Gene, GeneValue
from search_spaces.space import Params, Space
from search_spaces.summary import shares

router = APIRouter(include_in_schema=False)
router.include_router(compare.router)

ROWS: Final = 50
EVENTS_SHOWN: Final = 30
OWN_COLUMNS: Final = ("score", "params", "flops_per_token", "state_bytes")
"""Metrics that the board has a column for whatever the objectives are."""
MAX_FORM_BYTES: Final = 10_000
OURS: Final = ("/studies/", "/compare")
"""What addresses begin with that a login leads back to."""
WISHES: Final = {"pause": Wish.PAUSE, "resume": Wish.RUN, "stop": Wish.STOP}


def install(app: FastAPI) -> None:
    """Add the pages to the application."""
    app.include_router(router)


def refused(request: Request, kind: Kind, detail: str) -> Response:
    """What a browser sees instead of a problem document: the way to log in, or the reason on a page."""
    if kind.status == 401:
        return RedirectResponse(f"/login?{urlencode({'next': _address(request)})}", 303)
    return HTMLResponse(
        render("refused.html", kind=kind, detail=detail, signed_in=SESSION_COOKIE in request.cookies), kind.status
    )


def _address(request: Request) -> str:
    """Path and query, as the visitor asked for them."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


@router.get("/")
def studies(principal: Reader, engine: EngineDep, cursor: Cursor = None) -> HTMLResponse:
    """The list of studies."""
    page = reads.list_studies(engine, principal, limit=ROWS, cursor=cursor)
    return HTMLResponse(render("studies.html", page=page, cursor=cursor, principal=principal))


@router.get("/studies/{study_id}")
def study(
    study_id: StudyId,
    request: Request,
    principal: Reader,
    engine: EngineDep,
    boards: LeaderboardsDep,
    sort: SortDep,
    where: FilterDep,
    cursor: Cursor = None,
) -> HTMLResponse:
    """One study: where it stands, its leaderboard, its plot, its events."""
    found = reads.get_study(engine, principal, study_id)
    page = boards.page(principal, study_id, sort=sort, where=where, limit=ROWS, cursor=cursor)
    events = reads.events_after(engine, principal, study_id, max(0, found.row.last_event - EVENTS_SHOWN))
    return HTMLResponse(
        render(
            "study.html",
            study=found,
            page=page,
            warnings=[found.warning for found in boards.calibration(principal, study_id) if is_doubtful(found)],
            left_out=_left_out(engine, principal, study_id),
            further=[metric for metric in objectives_of(found.spec) if metric.name not in OWN_COLUMNS],
            sort=sort,
            cursor=cursor,
            query=_Query(request),
            events=reversed(events),
            writer=principal.allows("write"),
            final=found.row.state in FINAL_STUDY_STATES,
        )
    )


def _left_out(engine: Engine, principal: Principal, study_id: str) -> tuple[TrialRow, ...]:
    """References that will never be on the board, with the reason. References have a study's lowest numbers."""
    untrained = frozenset({TrialState.INFEASIBLE, TrialState.DUPLICATE})
    page = reads.list_trials(engine, principal, study_id, states=untrained, limit=ROWS)
    return tuple(row for row in page.items if row.reference is not None)


@router.get("/studies/{study_id}/report")
def report(study_id: StudyId, principal: Reader, reports: ReportsDep) -> HTMLResponse:
    """What the study may claim, as the one file that `nas report` writes."""
    return HTMLResponse(written(reports.get(principal, study_id), home=f"/studies/{study_id}"))


@router.get("/studies/{study_id}/trials/{number}")
def trial(study_id: StudyId, number: TrialNumber, principal: Reader, engine: EngineDep) -> HTMLResponse:
    """One trial: its architecture, costs, tasks and attempts."""
    found = reads.get_study(engine, principal, study_id)
    shown = reads.get_trial(engine, principal, study_id, number)
    return HTMLResponse(
        render(
            "trial.html",
            study=found,
            trial=shown,
            genes=_genes(found.spec.space, shown.params),
            offers=tuple(offers(study_id, shown)),
            shares=shares(shown.architecture),
            ledger=rate_rows(shown.result) if shown.result else {},
            measured=tuple(_measured(found.spec.protocol, shown.result)) if shown.result else (),
            architecture=_pretty(shown.architecture),
        )
    )


@router.post("/studies/{study_id}/{verb}")
def change(
    study_id: StudyId, verb: Literal["pause", "resume", "stop"], principal: Writer, engine: EngineDep
) -> RedirectResponse:
    """Pause, resume or stop, then show the study again."""
    set_wish(engine, principal, study_id, WISHES[verb])
    return RedirectResponse(f"/studies/{study_id}", 303)


@router.get("/login")
def login_form() -> HTMLResponse:
    """Asks for a key."""
    return HTMLResponse(render("login.html", wrong=False, signed_in=False))


async def _form(request: Request) -> dict[str, str]:
    refuse_other_sites(request)
    content = await body.read(request, "application/x-www-form-urlencoded", MAX_FORM_BYTES)
    return dict(parse_qsl(content.decode(errors="replace")))


@router.post("/login")
def login(request: Request, form: Annotated[dict[str, str], Depends(_form)], engine: EngineDep, next: str = "/") -> Response:
    """Check the key, open a session, and go where the visitor wanted to be."""
    try:
        token = open_session(engine, form.get("key", "").strip())
    except Denied:
        return HTMLResponse(render("login.html", wrong=True, signed_in=False), 401)
    # a path of ours and nothing that a browser reads as another host
    response = RedirectResponse(next if next.startswith(OURS) and "\\" not in next else "/", 303)
    set_session(response, token, secure=request.url.scheme == "https")
    return response


@router.post("/logout")
def logout(_: Annotated[dict[str, str], Depends(_form)], session: SessionCookie, engine: EngineDep) -> Response:
    """End the session."""
    if session is not None:
        close_session(engine, session)
    response = RedirectResponse("/login", 303)
    forget_session(response)
    return response


@router.get("/static/{name}")
def asset(request: Request, name: str) -> Response:
    """A style, a script, the plotting library."""
    return assets.serve(request, name)


class _Query:
    """The page's query string with some of it changed: what sort and paging links need."""

    def __init__(self, request: Request) -> None:
        self._pairs = request.query_params.multi_items()

    def with_(self, **changes: str | bool | None) -> str:
        """The query string; None removes a parameter. Paging starts anew."""
        dropped = {*changes, "cursor"}
        kept = [(name, value) for name, value in self._pairs if name not in dropped]
        added = [
            (name, str(value).lower() if isinstance(value, bool) else value)
            for name, value in changes.items()
            if value is not None
        ]
        return "?" + urlencode([*kept, *added])

    def get(self, name: str) -> str | None:
        """One parameter's value."""
        return next((value for key, value in self._pairs if key == name), None)


def _genes(space: Space, params: Params) -> list[tuple[Gene, GeneValue]]:
    """What a trial decided, in the order of decision: a database keeps no order."""
    return [(gene, params[gene.name]) for gene in genes_of(space.mode, MAX_DEPTH[space.mode]) if gene.name in params]


def _pretty(architecture: Architecture) -> str:
    """JSON for reading: fields at their defaults left out, and what a thing is before what it has."""
    data = json.loads(architecture.canonical_json(), object_pairs_hook=_kind_first)
    return json.dumps(data, indent=2, ensure_ascii=False)


def _kind_first(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(sorted(fields, key=lambda field: field[0] != "kind"))


def _measured(protocol: Protocol, result: Result) -> Iterator[tuple[str, str, str]]:
    """Every metric of a result but the score: name, title and value."""
    titles = known(protocol)
    for name, value in reported_metrics(result).items():
        if name != "score":
            metric = titles.get(name)
            yield name, metric.title if metric else "", measured(value, metric.unit if metric else "")
