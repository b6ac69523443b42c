"""Rates of the behaviour room against straightforward forms of the same, in one process and one run."""
