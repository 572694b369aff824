"""Exact and near duplicate images, found by Spark jobs or on one machine.

Importing this package loads numpy at most. Each part loads what it needs when it is imported itself:
``dedup_core.methods`` is the one-machine API, ``dedup_core.spark`` the distributed one.
"""

__version__ = "0.1.0"
