"""A cost report as text for people."""

from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import Final

from nas.costs.report import CostReport, Estimate
from nas.quantities import short_bytes, short_count

WIDTH: Final = 100

Row = Sequence[str]


def render(report: CostReport) -> str:
    """Plain text of several small tables, at most 100 columns wide where the architecture's line is no longer."""
    blocks = (_counts(report), _contexts(report), _memory(report), _accelerators(report), _fine_print(report))
    return "\n\n".join("\n".join(block) for block in blocks)


def _counts(report: CostReport) -> Iterator[str]:
    yield report.summary
    yield f"{report.params:,} parameters, of which a token uses {report.active_params:,}"
    weights = ", ".join(f"{short_bytes(size)} in {name}" for name, size in report.weight_bytes.items())
    yield fill(f"weights: {weights}", WIDTH)


def _contexts(report: CostReport) -> Iterator[str]:
    rows = [(f"{at.context_length:,}", short_count(at.flops_per_token), short_bytes(at.state_bytes)) for at in report.contexts]
    yield from _table(("context", "FLOPs/token", "state/sequence"), rows)


def _memory(report: CostReport) -> Iterator[str]:
    yield f"memory at a context of {report.context_length:,} and a batch of {report.batch:,} (estimate)"
    serving, training = report.serving, report.training
    yield (
        f"  serving   {short_bytes(serving.total)}: weights {short_bytes(serving.weights)}, state {short_bytes(serving.state)}"
    )
    yield (
        f"  training  {short_bytes(training.total)}: weights {short_bytes(training.weights)}, "
        f"gradients {short_bytes(training.gradients)}, optimiser {short_bytes(training.optimiser)}, "
        f"activations {short_bytes(training.activations)}"
    )


def _accelerators(report: CostReport) -> Iterator[str]:
    training = f"training: {short_count(report.training_tokens)} tokens at {report.utilisation:.0%} of the peak"
    yield f"roofline upper bounds, not measured; tokens/s of the fewest devices that hold it; {training}"
    heading = ("accelerator", "devices", "prefill tok/s", "decode tok/s", "waits for", "to train", "device-days")
    yield from _table(heading, [_cells(estimate) for estimate in report.accelerators])


def _cells(estimate: Estimate) -> Row:
    decode = estimate.decode_tokens_per_second
    return (
        estimate.accelerator,
        f"{estimate.serving_devices:,}",
        short_count(round(estimate.prefill_tokens_per_second)),
        "-" if decode is None else short_count(round(decode)),
        estimate.decode_bound or "-",
        f"{estimate.training_devices:,}",
        _days(estimate.training_device_days),
    )


def _days(days: float) -> str:
    """Three digits: a minute is 0.000694."""
    return short_count(round(days)) if days >= 100 else f"{days:.3g}"


def _fine_print(report: CostReport) -> Iterator[str]:
    yield report.notice
    for assumption in report.assumptions:
        yield fill(assumption, WIDTH, initial_indent="- ", subsequent_indent="  ")


def _table(heading: Row, rows: Sequence[Row]) -> Iterator[str]:
    """The first column to the left, numbers to the right, all as wide as they must be."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    for row in (heading, *rows):
        first, *others = (
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join((first, *others)).rstrip()
