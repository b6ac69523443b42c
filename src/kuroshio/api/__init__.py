"""HTTP and WebSocket interface of a node.

Enters: requests of signed-in people and programs. Leaves: the picture, alerts, releases and health that their role
allows, and the page. It decides nothing about sharing (a partner's view comes from the node as it would be released)
and keeps nothing but sessions and the audit log.
"""

from __future__ import annotations

from kuroshio.api.app import create_app, server_config
from kuroshio.api.passwords import Passwords
from kuroshio.api.settings import ApiSettings

__all__ = ["ApiSettings", "Passwords", "create_app", "server_config"]
