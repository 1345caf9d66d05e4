"""`python -m search_spaces.reference > docs/primitives.md`."""

import sys

from search_spaces.reference.page import page

sys.stdout.write(page())
