"""One file per command, each with add_parser(subparsers); COMMANDS is their order in --help and all main knows."""

from modelrollout.cli.commands import doctor, explain, judge, lint, plan, status, verbs

COMMANDS = (status, verbs, plan, doctor, explain, lint, judge)
