"""What stays on disk of a trial: the exported files of its scored runs, and what its next rung goes on from. No torch.

Trainings are rates x replicas x three times the weights, and only the next rung needs them. A scored run's weights and parity
files stay for good.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from nas.ports import Kept
from nas.run import trial_folder

TRAININGS_FOLDER = "trainings"
"""In a run's folder: everything that is there only to go on from."""


def free(workspace: Path, kept: Kept) -> None:
    """Remove what a trial does not need any more; what cannot be removed stays. Nobody may be writing below the next rung."""
    for folder in tuple(_dispensable(workspace, kept)):
        shutil.rmtree(folder, ignore_errors=True)


def _dispensable(workspace: Path, kept: Kept) -> Iterator[Path]:
    scored = {workspace / folder for folder in kept.folders}
    resumed = None if kept.ended else workspace / kept.folders[-1]
    for folder in (workspace / trial_folder(kept.study_id, kept.number)).glob("rung-*/*"):
        # the rung above the scored ones may be at work already
        above = int(folder.parent.name.removeprefix("rung-")) >= kept.first_rung + len(kept.folders)
        if folder == resumed or (above and not kept.ended):
            continue
        yield folder / TRAININGS_FOLDER if folder in scored else folder
