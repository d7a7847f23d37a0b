"""The operator of the cluster that the arguments name, for commands that need nothing else of it."""

from __future__ import annotations

import argparse
import asyncio

from modelrollout.cli import access
from modelrollout.cli.lookup.found import Installation, Unknown
from modelrollout.cli.lookup.operator import find_operator
from modelrollout.cli.printing import remark


def installed(args: argparse.Namespace) -> Installation | None:
    """What is found; None, with a remark where the person has asked for it, where nothing usable is."""
    found = asyncio.run(_found(args))
    if isinstance(found, Installation):
        if found.config is None:
            remark(f"{found.where} cannot be used: {found.problem}")
        return found
    if args.operator_namespace:
        remark(f"{found.why}; {found.fix}")
    return None


async def _found(args: argparse.Namespace) -> Installation | Unknown:
    async with await access.open_api(args) as api:
        return await find_operator(api, args.operator_namespace)
