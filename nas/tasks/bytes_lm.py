"""Byte-level language modelling on real text: the standard library's own sources, or files a user brings."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nas.tasks.task import TokenTask


class BytesLM(TokenTask):
    """Bits per byte on held-out documents.

    corpus "python-stdlib" is the Python standard library's source files, which every machine has; anything else is a file or
    folder below the data root, as a relative path: text in UTF-8, JSONL or parquet.
    """

    title: ClassVar[str] = "Byte-level language modelling"
    source: ClassVar[str] = "text of this machine or of the user"
    metric: ClassVar[str] = "bits_per_byte"
    higher_is_better: ClassVar[bool] = False
    lowest: ClassVar[float] = 0

    name: Literal["bytes_lm"] = "bytes_lm"
    vocab_size: Literal[256] = 256
    """Every byte is a token."""
    corpus: Annotated[str, Field(min_length=1, max_length=1024)] = "python-stdlib"
    """A built-in corpus, or a path below the data root."""
    text_key: Annotated[str, Field(min_length=1, max_length=256)] = "text"
    """The field of a JSONL line, or the column of a parquet file, that holds the text."""

    corpus_digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the packed text; found at submission when it is left out. Runs on other text fail."""

    sequence_length: Annotated[int, Field(ge=8, le=65_536)] = 128
    """Bytes of a sequence."""
    n_validation: Annotated[int, Field(ge=16, le=100_000)] = 128
    """Sequences that choose the learning rate."""
    n_test: Annotated[int, Field(ge=16, le=100_000)] = 256
    """Sequences that the reported value is taken on."""

    def chance(self) -> float:
        """Eight bits: every byte equally likely."""
        return 8.0

    def score(self, value: float) -> float:
        """1 at zero bits, 0 at eight bits a byte or worse."""
        return max(0.0, 1 - value / 8)
