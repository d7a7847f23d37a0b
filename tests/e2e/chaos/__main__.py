"""`python -m tests.e2e.chaos` runs chaos.main."""

import sys

from tests.e2e.chaos.chaos import main

sys.exit(main())
