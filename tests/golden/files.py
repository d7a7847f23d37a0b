"""One golden file for each kind of text: sections in order, one for every case, compared as a whole."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "expected"
UPDATE = "run `make golden` (pytest tests/golden --update-golden), read `git diff`, and commit what is meant"
_SHOWN = 60
"""Lines of a difference that are shown."""


@dataclass(frozen=True)
class GoldenFiles:
    """`update` rewrites a file that differs; otherwise a difference fails the test."""

    folder: Path
    update: bool

    def check(self, name: str, sections: dict[str, str]) -> None:
        """Fail unless the file `name` holds exactly these sections."""
        path, text = self.folder / f"{name}.txt", render(sections)
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return
        if not path.exists():
            raise AssertionError(f"{path.name} is missing: {UPDATE}")
        old = path.read_text()
        if old != text:
            raise AssertionError(f"{path.name} is out of date: {UPDATE}\n{_difference(path.name, old, text)}")

    def check_names(self, names: set[str]) -> None:
        """Fail where a file belongs to no text; with `update` it is removed."""
        files = {path.relative_to(self.folder).as_posix(): path for path in self.folder.rglob("*") if path.is_file()}
        stale = [files[name] for name in sorted(files.keys() - {f"{name}.txt" for name in names})]
        if self.update:
            for path in stale:
                path.unlink()
        elif stale:
            raise AssertionError(f"{', '.join(path.name for path in stale)}: no test writes it; {UPDATE}")


def render(sections: dict[str, str]) -> str:
    """The file's text: a title and an indented body for each section."""
    blocks = [f"{title}\n{_indented(body)}" for title, body in sections.items()]
    return "\n\n".join(blocks) + "\n"


def _indented(body: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in body.rstrip().splitlines()) or "    (nothing)"


def _difference(name: str, old: str, new: str) -> str:
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), name, "now", lineterm="", n=2))
    more = [f"... and {len(lines) - _SHOWN} lines more"] if len(lines) > _SHOWN else []
    return "\n".join([*lines[:_SHOWN], *more])
