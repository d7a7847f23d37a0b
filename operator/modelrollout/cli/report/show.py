"""What `report` does: gather, make the page, write it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from modelrollout.cli import access
from modelrollout.cli.printing import remark
from modelrollout.cli.report import tensorboard
from modelrollout.cli.report.facts import Facts
from modelrollout.cli.report.page.report import page
from modelrollout.cli.report.reading.gather import Asked, gather
from modelrollout.cli.target import Failure

STDOUT = "-"


def show(args: argparse.Namespace) -> int:
    """Write the report; Failure where the resource cannot be read or the file cannot be written."""
    if args.tensorboard:
        return _show_tensorboard(args, Path(args.tensorboard))
    facts = asyncio.run(_facts(args))
    text = page(facts, version("modelrollout"))
    if args.output == STDOUT:
        sys.stdout.write(text)
        return 0
    path = Path(args.output or f"{args.name}-report.html")
    _write(path, text)
    for sentence in facts.missing:
        remark(f"not in it: {sentence}")
    remark(f"{path}: {len(text.encode()) / 1000:,.0f} kB; open it in a browser")
    return 0


def _show_tensorboard(args: argparse.Namespace, folder: Path) -> int:
    tensorboard.insist()
    facts = asyncio.run(_facts(args))
    for sentence in facts.missing:
        remark(f"not in it: {sentence}")
    runs = tensorboard.write(facts, folder)
    remark(f"{', '.join(str(one) for one in runs)}; look at them with: tensorboard --logdir {folder}")
    return 0


async def _facts(args: argparse.Namespace) -> Facts:
    namespace = access.namespace_of(args)
    async with await access.open_api(args) as api:
        return await gather(api, Asked(args, namespace, args.name, args.ended or 0, sliced=bool(args.tensorboard)))


def _write(path: Path, text: str) -> None:
    """Whole or not at all, readable for its owner alone: it names versions, people and what went wrong."""
    made = ""
    try:
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(made).replace(path)
    except OSError as error:
        with suppress(OSError):
            Path(made).unlink() if made else None
        raise Failure(f"{path} cannot be written: {error.strerror or error}; name another file with -o FILE") from error
