"""What the course's notebooks import: small modules, one job each.

Importing this package costs next to nothing: torch and transformers are imported where they are used.
"""

__version__ = "1.0.0"
