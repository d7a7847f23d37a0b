"""The examples in the lab's README are tests: what a newcomer copies has run."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).with_name("README.md").read_text()
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

exec(compile(EXAMPLE, "tests/lab/README.md", "exec"))
