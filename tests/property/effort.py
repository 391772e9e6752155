"""How long the property tests look for a counter-example.

`PROPERTY_SHARE=10 pytest tests/property` looks ten times longer than usual; `make test-fast` looks less long.
"""

from __future__ import annotations

import os

SHARE = float(os.environ.get("PROPERTY_SHARE", "1"))
_FEWEST = 5


def examples(usual: int) -> int:
    """How many examples a test tries.

    Args:
        usual: As many where nothing is asked for.

    Returns:
        The asked share of them, and never next to none.
    """
    return max(_FEWEST, round(usual * SHARE))
