"""Write the chart's dashboards."""

from __future__ import annotations

from tests.docs.dashboards.files import FOLDER, texts

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text)
