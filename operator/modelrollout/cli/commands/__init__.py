"""One file per command, each with add_parser(subparsers); COMMANDS is their order in --help and all main knows."""

from modelrollout.cli.commands import dashboard, doctor, explain, judge, lint, plan, report, status, verbs

COMMANDS = (status, verbs, plan, report, dashboard, doctor, explain, lint, judge)
