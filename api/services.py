"""What handlers need, made once for the application: the database, the event bell, settings, metrics, who streams."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from nas.settings import Settings
from nas.store.events import EventBell


@dataclass(frozen=True, slots=True)
class Services:
    """Held in `app.state.services` while the application runs."""

    engine: Engine
    bell: EventBell
    settings: Settings
    registry: CollectorRegistry
    streams: Counter[str] = field(default_factory=Counter)
    """How many event streams each key, by its id, has open."""


def services(request: Request) -> Services:
    """The application's services."""
    found: Services = request.app.state.services
    return found


def _engine(request: Request) -> Engine:
    return services(request).engine


def _settings(request: Request) -> Settings:
    return services(request).settings


ServicesDep = Annotated[Services, Depends(services)]
EngineDep = Annotated[Engine, Depends(_engine)]
SettingsDep = Annotated[Settings, Depends(_settings)]
