"""An export at another size: the architecture grown by the stated rules, with the scaling and its costs as documents.

Weights do not grow with it: they are left out.
"""

import json
from dataclasses import asdict, replace
from typing import Final

from nas.costs.report import CostReport, cost_report
from nas.errors import FieldProblem, Invalid, json_pointer
from nas.export.folder import Parcel
from nas.export.form import Subject
from nas.export.size import Size
from search_spaces.scaling import Scaled, ScalingError, format_size, scale

SCALING, COSTS = "scaling.json", "costs.json"
ASKED_BY: Final = {"params": "scale_to"}
"""Fields of a target that people know by another name."""


def scaled(parcel: Parcel, size: Size) -> Parcel:
    """The same at another size, without weights. Raises `Invalid` for a size that the rules cannot reach."""
    subject = parcel.subject
    try:
        found = scale(subject.architecture, size.target())
    except ScalingError as error:
        field = ASKED_BY.get(error.field, error.field)
        problem = FieldProblem(json_pointer(field), error.reason)
        raise Invalid(f"{subject.title} cannot be scaled: {field}: {error.reason}", (problem,)) from error
    except ValueError as error:
        raise Invalid(str(error), (FieldProblem(json_pointer("scale_to"), str(error)),)) from error
    title = f"{subject.title}, scaled to {format_size(found.params)} parameters"
    return replace(
        parcel,
        subject=Subject(architecture=found.architecture, title=title),
        origin=None,
        missing=None,
        bundle=None,
        documents={SCALING: _scaling(parcel, found), COSTS: _costs(cost_report(found.architecture))},
    )


def _scaling(parcel: Parcel, found: Scaled) -> str:
    """What became of which architecture, by which steps."""
    before = parcel.subject.architecture
    document = {
        "from": {"title": parcel.subject.title, "digest": before.digest},
        "digest": found.architecture.digest,
        "params": found.params,
        "active_params": found.active_params,
        "steps": found.steps,
        "kept": [asdict(kept) for kept in found.kept],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _costs(report: CostReport) -> str:
    return json.dumps(asdict(report), indent=2, ensure_ascii=False)
