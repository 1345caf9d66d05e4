"""`python -m nas.tasks > docs/tasks.md`."""

import sys
from pathlib import Path

from nas.tasks.page import page

sys.stdout.write(page(Path("docs/example_task")))
