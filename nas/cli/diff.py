"""`nas diff A B`: two architectures side by side. What needs no service asks none."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from nas.candidates import Candidate, of_digest, of_trial, pair
from nas.cli.documents import read_object
from nas.cli.options import AsJson, DataDir, Url
from nas.cli.output import plain, print_json, print_table, say, score_text, to_data
from nas.client import Client
from nas.comparison import CONTEXTS, Comparison, Difference, LayerPair, Side, compare
from nas.errors import Invalid
from nas.quantities import ratio, short_bytes, short_count
from nas.subjects import GRAMMAR, TrialReference, ZooReference, parse_reference
from nas.validation import validate
from search_spaces.architecture import Architecture

SIDES = {"": "left", "a": "left", "b": "left"}

What = Annotated[str, typer.Argument(help=f"{GRAMMAR}, or a file or folder with an architecture.json.")]


def diff(
    a: What,
    b: What,
    contexts: Annotated[
        list[int] | None, typer.Option("--context", min=1, help="A context length to price; may be given again.")
    ] = None,
    d_model: Annotated[int | None, typer.Option("--d-model", help="Width of zoo entries; else the other's.")] = None,
    vocab_size: Annotated[int | None, typer.Option("--vocab-size", help="Vocabulary of zoo entries; else the other's.")] = None,
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare two architectures: trials, zoo entries, files.

    Structure layer by layer, what both cost at several contexts, and, of two trials, what their scores allow to say.
    """

    def read(text: str) -> Candidate:
        return _local(path) if (path := _path(text)) else _served(text, url, data_dir)

    found = compare(*pair(a, b, read, d_model=d_model, vocab_size=vocab_size), tuple(contexts or CONTEXTS))
    if as_json:
        print_json(to_data(found))
    else:
        _print(found)


def _path(text: str) -> Path | None:
    """The document, where the word is one that lies here: a JSON file, or a folder with an architecture in it."""
    path = Path(text)
    inside = path / "architecture.json"
    return path if path.suffix == ".json" else inside if inside.is_file() else None


def _local(path: Path) -> Candidate:
    """An architecture of a file. Raises `Invalid` when it cannot be read or is none."""
    document = read_object(path, "an architecture")
    try:
        architecture = validate(Architecture, document)
    except Invalid as error:
        raise Invalid(f"{path} is no architecture: {error}", error.problems) from error
    return Candidate(reference=str(path), title=str(path), architecture=architecture)


def _served(text: str, url: str | None, data_dir: Path | None) -> Candidate:
    reference = parse_reference(text)
    assert not isinstance(reference, ZooReference)
    with Client(url, data_dir=data_dir) as nas:
        if isinstance(reference, TrialReference):
            return of_trial(nas.study(reference.study), nas.trial(reference.study, reference.number))
        return of_digest(nas.architecture(reference.digest).architecture)


def _print(found: Comparison) -> None:
    """What is said of both in a table, then the layers, then costs, then scores."""
    print_table(SIDES, _sides(found.a, found.b))
    if found.equal:
        say("the architectures are equal")
    _blank()
    if found.fields:
        print_table(SIDES, (_cells(difference) for difference in found.fields), "fields that differ")
        _blank()
    for layers in found.layers:
        sys.stdout.writelines(f"{plain(line)}\n" for line in _layer_lines(layers))
    _blank()
    columns = {"context": "right", "FLOPs/token a": "right", "b": "right", "b / a": "right"}
    print_table({**columns, "state a": "right", "state b": "right", "state b / a": "right"}, _costs(found))
    say(f"\n{found.reason}")


def _blank() -> None:
    sys.stdout.write("\n")


def _sides(a: Side, b: Side) -> Iterator[tuple[object, ...]]:
    yield "", plain(a.title), plain(b.title)
    yield "digest", a.digest[:12], b.digest[:12]
    yield "parameters", _times(a.params, a.params), _times(b.params, a.params)
    yield "one token uses", _times(a.active_params, a.active_params), _times(b.active_params, a.active_params)
    yield "attention", _share(a), _share(b)
    yield "parts", _kinds(a), _kinds(b)
    if a.score or b.score:
        yield "score", _score(a), _score(b)


def _times(value: int, base: int) -> str:
    return short_count(value) + (f" ({ratio(value, base)})" if value != base else "")


def _share(side: Side) -> str:
    return f"{side.attention_of_mixers:.0%} of mixers, {side.attention_of_parts:.0%} of all parts"


def _kinds(side: Side) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in side.kinds.items())


def _score(side: Side) -> str:
    score = side.score
    if score is None:
        return "-"
    if score.score is None or score.score_low is None or score.score_high is None:
        return f"- ({score.state})"
    return f"{score_text(score.score)} ({score.score_low:.3f} to {score.score_high:.3f}), rung {score.rung}"


def _layer_lines(layers: LayerPair) -> Iterable[str]:
    """As `diff -u` writes: a minus is in a only, a plus in b only, a tilde differs within."""
    times = f" x{layers.count}" if layers.count > 1 else ""
    places = " ".join(place for place in dict.fromkeys((layers.a_place, layers.b_place)) if place)
    match layers.change:
        case "same":
            yield f"  {layers.a}{times}"
        case "only_a":
            yield f"- {layers.a}{times}  {places}"
        case "only_b":
            yield f"+ {layers.b}{times}  {places}"
        case "changed":
            yield f"~ {layers.a}{times}  {places}" if layers.a == layers.b else f"~ {layers.a} → {layers.b}{times}  {places}"
            for name, one, other in map(_cells, layers.differences):
                yield f"      {name}: {one} → {other}"


def _cells(difference: Difference) -> tuple[str, str, str]:
    return difference.field, _value(difference.a), _value(difference.b)


def _value(value: object) -> str:
    """As JSON writes it; a dash where there is none."""
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _costs(found: Comparison) -> Iterator[tuple[str, ...]]:
    for cost in found.costs:
        a, b = cost.a, cost.b
        yield (
            f"{cost.context_length:,}",
            short_count(a.flops_per_token),
            short_count(b.flops_per_token),
            ratio(b.flops_per_token, a.flops_per_token),
            short_bytes(a.state_bytes),
            short_bytes(b.state_bytes),
            ratio(b.state_bytes, a.state_bytes),
        )
