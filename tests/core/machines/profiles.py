"""How hard the machines of `tests/core` run: briefly with every run of the tests, long when asked to.

    HYPOTHESIS_PROFILE=thorough python -m pytest tests/core -o timeout=0

`MACHINE_SCALE=5` multiplies the histories of either profile.
"""

import os

from hypothesis import HealthCheck, Phase, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
SCALE = float(os.environ.get("MACHINE_SCALE", "1"))
FACTOR = {"quick": 1, "thorough": 100}.get(PROFILE, 1)


def paced(histories: int, steps: int = 50) -> settings:
    """Settings of a machine that runs so many `histories` of at most so many `steps` in the quick profile."""
    return settings(
        max_examples=max(1, int(histories * FACTOR * SCALE)),
        stateful_step_count=steps if FACTOR == 1 else 2 * steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # Explaining a failure costs more than finding it; a history reads well enough by itself.
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink),
    )
