"""Kuroshio: an open maritime domain awareness node.

bytes -> observations -> tracks -> alerts -> decisions -> releases -> record
sensing     picture      behaviour   accord     exchange     record
"""

__version__ = "0.1.0"
