"""The application: services, routers, the edge. `uvicorn --factory api.app:create_app` serves it.

Handlers are plain functions in the thread pool, because the store is synchronous: a query takes a fraction of a millisecond
and its threads are bounded by the connection pool. Only event streams, which wait for hours, are coroutines.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import Depends, FastAPI
from prometheus_client import CollectorRegistry

from api import errors, openapi, pages
from api.edge import Edge
from api.exporting import sweep
from api.metrics import Requests, States
from api.routers import architectures, catalogues, compare, events, exports, health, keys, leaderboard, reports, studies, trials
from api.routers.parameters import refuse_unknown
from api.services import Services
from nas.leaderboard import Leaderboards
from nas.report.reports import Reports
from nas.settings import Settings
from nas.store.engine import database_url, open_engine
from nas.store.events import EventBell
from nas.store.reads import totals

ROUTERS = (studies, trials, leaderboard, reports, events, exports, architectures, compare, catalogues, keys, health)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application for these settings, or for those of the environment. Connects when it starts serving."""
    settings = settings or Settings()
    registry = CollectorRegistry()
    app = FastAPI(
        title="NAS",
        version=version("nas"),
        description="Neural architecture search for hybrid sequence models.",
        lifespan=_lifespan(settings, registry),
        responses=openapi.PROBLEMS,
        # the framework's documentation pages load scripts from elsewhere
        docs_url=None,
        redoc_url=None,
    )
    for module in ROUTERS:
        app.include_router(module.router, dependencies=[Depends(refuse_unknown)])
    pages.install(app)
    errors.install(app, page=pages.refused)
    openapi.install(app)
    app.add_middleware(Edge, hosts=_hosts(settings), requests=Requests(registry))
    return app


def _hosts(settings: Settings) -> Iterator[str]:
    yield settings.host
    yield from (name.strip() for name in settings.allowed_hosts.split(",") if name.strip())


def _lifespan(settings: Settings, registry: CollectorRegistry) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(sweep, settings.data_dir)
        url = await asyncio.to_thread(database_url, settings)
        engine, bell = open_engine(url), EventBell(url)
        registry.register(States(lambda: totals(engine)))
        services = Services(engine, bell, settings, registry, Leaderboards(engine), Reports(engine))
        app.state.services = services
        listening = asyncio.create_task(bell.run())
        try:
            yield
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
            engine.dispose()

    return lifespan
