"""In-process fan-out of live changes to many readers of unequal speed.

Enters: messages, published once. Leaves: the same, to each subscriber in order; a subscriber that is too slow loses
its queue and is told so (`Lapse`), and nobody else notices. It keeps nothing, crosses no process and does not retry:
what must not be lost goes through `kuroshio.store`.
"""

from __future__ import annotations

from kuroshio.bus.topic import Lapse, Subscription, Topic

__all__ = ["Lapse", "Subscription", "Topic"]
