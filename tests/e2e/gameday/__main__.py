"""`python -m tests.e2e.gameday` runs game.main."""

import sys

from tests.e2e.gameday.game import main

sys.exit(main())
