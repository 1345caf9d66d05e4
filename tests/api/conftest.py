"""One real server for the suite: uvicorn on a free port, over a real PostgreSQL. Tests keep apart by owner."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from api.app import create_app
from nas.keys import Scope
from nas.settings import Settings
from nas.store.api_keys import create_key
from nas.store.embedded import EmbeddedPostgres
from nas.store.engine import open_engine
from tests.corpora import story

_owners = count(1)


@dataclass(frozen=True)
class Service:
    """The running server and what stands behind it."""

    url: str
    settings: Settings
    engine: Engine
    app: FastAPI

    def key(self, owner: str, *scopes: Scope) -> str:
        return create_key(self.engine, owner, scopes or ("read", "write")).token

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # no certificates to load: this is plain HTTP
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=False)

    def n_rows(self) -> int:
        """Rows of ours in the whole database: unchanged means that nothing was written."""
        with self.engine.connect() as connection:
            tables = connection.execute(text("select tablename from pg_tables where tablename like 'nas\\_%'")).scalars().all()
            return sum(connection.execute(text(f"select count(*) from {table}")).scalar_one() for table in tables)

    def watched(self) -> frozenset[str]:
        """Ids of the studies that somebody watches."""
        return frozenset(self.app.state.services.bell._rings)


@pytest.fixture(scope="session")
def service(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "corpora").mkdir()
    (folder / "corpora" / "tale.txt").write_text(story(5000))
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE api TEMPLATE migrated")
    url = make_url(postgres.url).set(database="api").render_as_string(hide_password=False)
    settings = Settings(data_dir=folder, data_root=folder / "corpora", database_url=SecretStr(url))
    engine = open_engine(url)
    app = create_app(settings)
    with serving(app) as address:
        yield Service(address, settings, engine, app)
    engine.dispose()


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """uvicorn in a thread, until the end of the block. Yields the URL."""
    config = uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def owner() -> str:
    return f"owner{next(_owners)}"


@pytest.fixture
def client(service: Service, owner: str) -> Iterator[httpx.Client]:
    """A client of an owner who has nothing yet."""
    with service.client(service.key(owner)) as made:
        yield made


@pytest.fixture
def admin(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.key("admin", "admin")) as made:
        yield made


Submit = Callable[..., str]


@pytest.fixture
def submit(client: httpx.Client) -> Submit:
    """Submit a study; returns its id."""

    def do(name: str = "a study", **spec: object) -> str:
        response = client.post("/v1/studies", json={"name": name, "space": {"preset": "recall_demo"}, **spec})
        assert response.status_code == 201, response.text
        found: str = response.json()["row"]["id"]
        return found

    return do


@pytest.fixture
def corpus(service: Service) -> Path:
    assert service.settings.data_root is not None
    return service.settings.data_root / "tale.txt"
