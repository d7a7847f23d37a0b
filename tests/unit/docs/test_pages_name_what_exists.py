"""A page that names a file, a heading, a module or a make target names one that exists."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, Page, find, module_exists, pages, slug

PAGES = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
TARGET = re.compile(r"^([a-z][a-z0-9-]*):", re.MULTILINE)


@PAGES
def test_every_relative_link_leads_somewhere(page: Page) -> None:
    broken = []
    for link in page.links():
        name, _, anchor = link.partition("#")
        there = (page.path.parent / name).resolve() if name else page.path
        if not there.exists() or (anchor and anchor not in Page(there).anchors()):
            broken.append(link)
    assert not broken, f"{page.name} links to what is not there"


@PAGES
def test_every_file_that_is_named_exists(page: Page) -> None:
    missing = sorted({name for name in page.files() if find(page, name) is None})
    assert not missing, f"{page.name} names files that are not there"


@PAGES
def test_every_make_target_that_is_named_exists(page: Page) -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    assert set(page.targets()) <= targets, page.name


@PAGES
def test_every_module_that_is_run_exists(page: Page) -> None:
    assert not [module for module in page.modules() if not module_exists(module)], page.name


def test_the_index_names_every_page_of_docs() -> None:
    index = Page(ROOT / "docs" / "README.md")
    linked = {(index.path.parent / link.partition("#")[0]).resolve() for link in index.links()}
    unnamed = {page.name for page in pages() if page.path.parent == index.path.parent} - {index.name}
    assert not {name for name in unnamed if (ROOT / name).resolve() not in linked}


def test_an_anchor_is_made_as_github_makes_it() -> None:
    assert slug("## What `make test` does".lstrip("# ")) == "what-make-test-does"
    assert slug("Steps, holds & the [bake](x.md)") == "steps-holds--the-bake"


def test_what_is_not_there_is_found_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("page") / "page.md"
    path.write_text(
        "# One\n# One\n[a](gone.md#x) [b](#one-1) [c](https://x.y/z) `[d](e.md)` `tests/gone.py` `a/b` `<new>.py`\n"
        "`operator/modelrollout/<new>.py` `core/reasons.py` `tests/NAME.py`\n```sh\nmake some nothing  # [f](g.md)\n"
        "python -m tests.gone\n```\n"
    )
    page = Page(path)
    assert page.links() == ["gone.md#x", "#one-1"]
    assert page.anchors() == {"one", "one-1"}
    assert page.files() == ["tests/gone.py", "core/reasons.py"]
    assert [name for name in page.files() if find(page, name) is None] == ["tests/gone.py"]
    assert page.targets() == ["some", "nothing"]
    assert not module_exists(page.modules()[0])
    assert module_exists("modelrollout.api.reference")
    assert module_exists("tests.lab")
