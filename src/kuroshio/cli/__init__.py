"""The `kuroshio` command, one file a command: arguments in; results to stdout, everything else to stderr.

A command loads what it needs when it is used; `output` is how all of them speak.
"""
