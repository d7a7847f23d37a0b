"""Our own words in the help of every command; how argparse lays them out changes with Python's version."""

from __future__ import annotations

import argparse

from modelrollout.cli.main import parser

COMMANDS = (
    "status",
    "watch",
    "approve",
    "abort",
    "pause",
    "resume",
    "retry",
    "promote",
    "plan",
    "report",
    "dashboard",
    "doctor",
    "explain",
    "lint",
    "judge",
)


def texts() -> dict[str, str]:
    """By command: description, arguments, epilog."""
    top = parser()
    listing = next(one for one in top._actions if isinstance(one, argparse._SubParsersAction))
    assert set(listing.choices) == set(COMMANDS)
    summaries = [f"{one.dest}: {one.help}" for one in listing._choices_actions]
    found = {"kubectl modelrollout": "\n".join([*words(top), "", *summaries])}
    return found | {name: "\n".join(words(listing.choices[name])) for name in COMMANDS}


def words(one: argparse.ArgumentParser) -> list[str]:
    """Description, arguments and epilog."""
    arguments = [
        f"{', '.join(each.option_strings) or each.metavar}: {each.help}"
        for each in one._actions
        if each.help and not isinstance(each, argparse._HelpAction | argparse._VersionAction)
    ]
    return [str(one.description), *arguments, "", *str(one.epilog).splitlines()]
