"""How fast text, JSONL and parquet are packed on one core: megabytes of text per CPU second, and a pack that is there."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nas.data import corpus
from nas.data.location import STDLIB
from tests.benchmarks.figure import Figure, Goal, figure

N_DOCUMENTS = 100_000
GOAL = 20.0
MOST_HIT_SECONDS = 0.1


def figures() -> Iterator[Figure]:
    """Each kind of file with the same documents, a folder of sources, and the second look at a corpus."""
    with TemporaryDirectory() as folder:
        root, packs = Path(folder), Path(folder) / "packs"
        _write(root)
        for name in ("text.txt", "text.jsonl", "text.parquet", STDLIB):
            seconds, loaded = _seconds(name, root, packs)
            megabytes = sum(loaded.manifest.n_bytes) / 1e6
            least = Goal(of="value", at="least", bound=GOAL)
            yield figure(f"corpus_packing_{name}", megabytes / seconds, "MB/s", least, better="higher")
        seconds, _ = _seconds("text.jsonl", root, packs)
        most = Goal(of="value", at="most", bound=MOST_HIT_SECONDS)
        yield figure("corpus_packed_before", seconds, "CPU s", most, better="lower")


def _seconds(name: str, root: Path, packs: Path) -> tuple[float, corpus.Corpus]:
    started = time.process_time()
    loaded = corpus.load(name, root, packs)
    return time.process_time() - started, loaded


def _write(root: Path) -> None:
    """Documents of 20 to 400 words of the standard library, 1.2 kB on average."""
    words = np.array(sorted(set(bytes(corpus.load(STDLIB, None).train[:500_000]).decode(errors="ignore").split())))
    rng = np.random.default_rng(0)
    documents = [" ".join(rng.choice(words, size=rng.integers(20, 400))) for _ in range(N_DOCUMENTS)]
    (root / "text.txt").write_text("\n\n".join(documents))
    (root / "text.jsonl").write_text("\n".join(json.dumps({"text": document}) for document in documents))
    pq.write_table(pa.table({"text": documents}), root / "text.parquet")
