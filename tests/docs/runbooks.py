"""docs/runbooks: the pages of the plugin as they are, and an index of every name.

``python -m tests.docs.runbooks`` writes them; a test fails while one is stale.
"""

from __future__ import annotations

from modelrollout.cli.runbooks import PAGES, page, sections
from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "runbooks"
_NOTE = "\nWritten by `python -m tests.docs.runbooks` from `operator/modelrollout/cli/runbooks/{}.md`: edit that.\n"
_HEAD = """\
# Runbooks

One section for each reason, alert and situation: what it is, how to tell, what to type, and how to come back.
`kubectl modelrollout explain NAME` prints the same without a network. NAME and NAMESPACE are those of the ModelRollout,
OPERATOR_NAMESPACE is where the operator runs.
"""


def files() -> dict[str, str]:
    """By name: the index and every page."""
    return {"README.md": _index()} | {f"{name}.md": _page(name) for name in PAGES}


def _page(name: str) -> str:
    title, _, rest = page(name).partition("\n")
    return f"{title}\n{_NOTE.format(name)}{rest}"


def _index() -> str:
    lines = [_HEAD]
    for name in PAGES:
        title = page(name).partition("\n")[0].removeprefix("# ")
        links = [f"[{one}]({name}.md#{one.lower()})" for one, (where, _) in sections().items() if where == name]
        lines.append(f"**[{title}]({name}.md)**: {', '.join(links)}.\n")
    return "\n".join(lines)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, text in files().items():
        (FOLDER / file).write_text(text)
