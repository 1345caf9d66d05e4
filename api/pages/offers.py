"""What a trial's page offers to take home: every form with its links, or with the reasons against it."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from nas.export.form import BUNDLE_LACKS, Availability, Refusal
from nas.export.forms import FORMS, availability
from nas.export.source import lacks_weights
from nas.store.views import TrialView


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One form. `links` are its archives by kind, none where there are reasons against it."""

    form: str
    title: str
    links: dict[str, str]
    with_weights: bool
    reasons: tuple[Refusal, ...]


def offers(study_id: str, trial: TrialView) -> Iterator[Offer]:
    """Every form and the bundle; forms that can do without weights are offered without them where there are none."""
    weighted = not lacks_weights(trial)
    path = f"/v1/studies/{study_id}/trials/{trial.row.number}/export"
    for one in (*availability(trial.architecture), Availability.of_bundle(() if weighted else (BUNDLE_LACKS,))):
        reasons = one.reasons
        if one.needs_weights and not weighted and not reasons:
            reasons = (Refusal(one.form, "weights", "there is nothing in it without weights, and this trial has none"),)
        yield Offer(
            form=one.form,
            title=one.title,
            links={} if reasons else _links(path, one, weighted),
            with_weights=weighted and (one.form == "bundle" or FORMS[one.form].has_weights),
            reasons=reasons,
        )


def _links(path: str, one: Availability, weighted: bool) -> dict[str, str]:
    wanted = {} if weighted else {"weights": "false"}
    return {kind: f"{path}?{urlencode({'format': one.form, 'archive': kind, **wanted})}" for kind in ("zip", "tar")}
