"""The kubectl plugin: one file per command, each with add_parser(subparsers); what people see is never a traceback."""
