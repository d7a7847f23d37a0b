"""What the Markdown pages of the repository name: links, files, modules and make targets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TOPS: Final = (".ci", "charts", "crds", "docs", "examples", "operator", "requirements", "telemetry", "tests")
HOMES: Final = (
    "",
    "operator/modelrollout",
    "operator/modelrollout/core",
    "operator/modelrollout/core/analysis",
    "charts/modelrollout",
    "tests",
    "tests/unit",
    "telemetry",
    "telemetry/activation_health",
)
"""Folders from which a page may name a file in short, after its own folder."""
_FENCE: Final = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`([^`\n]+)`")
_LINK: Final = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING: Final = re.compile(r"^#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_FILE: Final = re.compile(r"^[\w.-]+(?:/[\w.-]+)*/?$")
_SUFFIX: Final = re.compile(r"\.(?:py|md|toml|ya?ml|json|svg|tpl|txt|npz)$")
_MAKE: Final = re.compile(r"\bmake ([a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)*)")
_MODULE: Final = re.compile(r"python(?:3(?:\.\d+)?)? -m ([\w.]+)")


@dataclass(frozen=True)
class Page:
    """A Markdown file of the repository."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return _FENCE.sub("", self.text)

    def code(self) -> list[str]:
        """Every span and every line of a fenced block that shows code."""
        fenced = [line for block in _FENCE.finditer(self.text) for line in block[0].splitlines()[1:-1]]
        return _CODE.findall(self.prose) + fenced

    def links(self) -> list[str]:
        """Targets of links to files of the repository, with their anchors."""
        targets = _LINK.findall(_CODE.sub("", self.prose))
        return [target for target in targets if "://" not in target and not target.startswith("mailto:")]

    def anchors(self) -> set[str]:
        """What `#...` may name, as GitHub makes it from the headings."""
        found: dict[str, int] = {}
        anchors = set()
        for heading in _HEADING.findall(self.prose):
            anchor = slug(heading)
            count = found.get(anchor, 0)
            found[anchor] = count + 1
            anchors.add(f"{anchor}-{count}" if count else anchor)
        return anchors

    def files(self) -> list[str]:
        """Code spans that name a file or a folder of the repository; `<...>` and NAME mark what does not exist."""
        return [span for span in _CODE.findall(self.prose) if _names_a_file(span)]

    def targets(self) -> list[str]:
        """Names of make targets in code."""
        return [target for code in self.code() for targets in _MAKE.findall(code) for target in targets.split()]

    def modules(self) -> list[str]:
        """Modules of ours that code runs with `python -m`."""
        modules = [module for code in self.code() for module in _MODULE.findall(code)]
        return [
            module for module in modules if module.partition(".")[0] in ("tests", "modelrollout", "activation_health")
        ]


def pages() -> list[Page]:
    """Every Markdown page that is ours, wherever it lies."""
    tops = list(ROOT.glob("*.md"))
    below = [path for top in TOPS for path in (ROOT / top).rglob("*.md")]
    return [Page(path) for path in sorted([*tops, *below])]


def slug(heading: str) -> str:
    """GitHub's anchor of a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def find(page: Page, name: str) -> Path | None:
    """The file that a page means by `name`: beside it, from the root, or short for one in a known folder."""
    homes = [page.path.parent, *(ROOT / home for home in HOMES)]
    return next((home / name for home in homes if (home / name).exists()), None)


def module_exists(module: str) -> bool:
    """Whether `python -m module` finds it in this repository."""
    path = Path(*module.split("."))
    places = [root / path for root in (ROOT, ROOT / "operator", ROOT / "telemetry")]
    return any(place.with_suffix(".py").is_file() or (place / "__main__.py").is_file() for place in places)


def _names_a_file(span: str) -> bool:
    if not _FILE.match(span) or "/" not in span or "NAME" in span:
        return False
    return bool(_SUFFIX.search(span)) or span.partition("/")[0] in TOPS
