"""What an attacker does to a sealed log who owns its database, and may make anew whatever needs no key.

An attack gets a copy, changes it, and returns what the verdict must name. Each exists as the naive change, and with all
that needs no key made anew behind it: columns, commitments, leaves, roots, checkpoints that nobody has signed.
"""

from tests.sealed.attacks import authority, columns, parts, places, scratch, tree
from tests.sealed.attacks.attack import ATTACKS, Attack

__all__ = ["ATTACKS", "Attack", "authority", "columns", "parts", "places", "scratch", "tree"]
