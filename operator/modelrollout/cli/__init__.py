"""The kubectl plugin: one file per command in commands/; what people see is never a traceback."""
