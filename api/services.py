"""What handlers need, made once for the application: the database, the event bell, settings, metrics, who streams."""

from collections import Counter
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Annotated, Final

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from nas.leaderboard import Leaderboards
from nas.report.reports import Reports
from nas.settings import Settings
from nas.store.events import EventBell

EXPORT_WRITERS: Final = 2
"""A form is written by the processor, and may hold two copies of a model's weights."""


@dataclass(frozen=True, slots=True)
class Services:
    """Held in `app.state.services` while the application runs."""

    engine: Engine
    bell: EventBell
    settings: Settings
    registry: CollectorRegistry
    leaderboards: Leaderboards
    reports: Reports
    streams: Counter[str] = field(default_factory=Counter)
    """How many event streams each key, by its id, has open."""
    exports: Counter[str] = field(default_factory=Counter)
    """How many exports each key is taking home."""
    writers: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(EXPORT_WRITERS))
    """One for each export that may be written at once."""


def services(request: Request) -> Services:
    """The application's services."""
    found: Services = request.app.state.services
    return found


def _engine(request: Request) -> Engine:
    return services(request).engine


def _leaderboards(request: Request) -> Leaderboards:
    return services(request).leaderboards


def _reports(request: Request) -> Reports:
    return services(request).reports


def _settings(request: Request) -> Settings:
    return services(request).settings


ServicesDep = Annotated[Services, Depends(services)]
EngineDep = Annotated[Engine, Depends(_engine)]
LeaderboardsDep = Annotated[Leaderboards, Depends(_leaderboards)]
ReportsDep = Annotated[Reports, Depends(_reports)]
SettingsDep = Annotated[Settings, Depends(_settings)]
