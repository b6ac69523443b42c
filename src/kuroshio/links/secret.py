"""A key for a service that asks for one: read from a file or the environment, put into what is sent, never shown."""

from __future__ import annotations

import os
from pathlib import Path

from kuroshio.errors import ConfigError

PLACE = "{key}"
MAX_BYTES = 8192


class Secret:
    """A key; its text form does not show it.

    Parameters
    ----------
    value
        The key; empty is none.
    """

    def __init__(self, value: str = "") -> None:
        self._value = value

    @classmethod
    def read(cls, *, file: Path | None = None, variable: str | None = None) -> Secret:
        """Key of a file (its text without white space around it) or of an environment variable.

        Raises
        ------
        ConfigError
            When it is not there, empty, too long, or its file is open to others.
        """
        if file is not None:
            try:
                if file.stat().st_mode & 0o077:
                    raise ConfigError(f"key file {file} is open to others", code="link.key", advice="chmod 600 it.")
                value = file.read_bytes()[: MAX_BYTES + 1].decode("utf-8").strip()
            except (OSError, UnicodeDecodeError) as err:
                raise ConfigError(f"key file {file} cannot be read: {getattr(err, 'strerror', 0) or 'not text'}",
                                  code="link.key", advice="Write the key into it.") from err  # fmt: skip
        elif variable is not None:
            value = os.environ.get(variable, "").strip()
        else:
            return cls()
        if not value or len(value) > MAX_BYTES:
            place = f"key file {file}" if file is not None else f"environment variable {variable}"
            raise ConfigError(f"{place} holds no key", code="link.key", advice="Write the key into it.")
        return cls(value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret()"

    def reveal(self) -> str:
        """The key itself, for the one place that sends it."""
        return self._value

    def fill(self, text: str) -> str:
        """Text with ``{key}`` replaced by the key."""
        return text.replace(PLACE, self._value)

    def hide(self, text: object) -> str:
        """Text, such as an error's, without the key in it."""
        shown = str(text) or type(text).__name__
        return shown.replace(self._value, "***") if self._value else shown
