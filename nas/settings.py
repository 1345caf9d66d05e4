"""Settings from the environment (`NAS_…`), with defaults that work on one machine with nothing configured."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from nas.data.cache import PACKS_FOLDER


class Settings(BaseSettings):
    """Every setting of the service. Unset means: one machine, embedded PostgreSQL, loopback only."""

    model_config = SettingsConfigDict(env_prefix="NAS_", frozen=True, extra="ignore")

    data_dir: Path = Path(".nas")
    """Where the embedded database, checkpoints, keys and logs live."""

    data_root: Path | None = None
    """The folder that users' files must lie in, text and measurements; unset: only the built-in corpus."""

    database_url: SecretStr | None = None
    """`postgresql://…`; unset: the embedded server below `data_dir`."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8642

    allowed_hosts: str = ""
    """Names, beside loopback and `host`, under which clients may address the service; separated by commas."""

    workers: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Runs at once; unset: one per CPU core, or one per GPU fraction."""

    gpu_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of a GPU that one worker takes, where there are GPUs."""

    ray_address: str | None = None
    """A running Ray cluster (`host:port`); unset: a local one, started and stopped with the driver."""

    lease_seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0
    max_params: Annotated[int, Field(ge=1)] = 1_000_000_000
    """The largest architecture this service accepts, in parameters."""

    @property
    def workspace(self) -> Path:
        """The folder that runs keep their checkpoints under (`Run.folder` is relative to it)."""
        return self.data_dir / "workspace"

    @property
    def packs(self) -> Path:
        """The folder that keeps packed corpora, where workers look for them."""
        return self.workspace / PACKS_FOLDER
