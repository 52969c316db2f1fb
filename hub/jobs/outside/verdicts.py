"""Verdicts: why the hub itself ends an outside job."""

from hub.core.events import Failure


def silent(silence_s: float) -> Failure:
    return Failure(
        code="publisher_silent",
        message=f"Nothing was heard of the job for more than {silence_s:g} seconds, so it was given up.",
        hint="Look whether the program that publishes it still runs, and reaches the hub; one that has long silent"
        " stretches can promise a longer `silence_s`.",
        retry=True,
    )


def unconfirmed(cancel_s: float) -> Failure:
    return Failure(
        code="cancel_not_confirmed",
        message=f"The publisher did not say within {cancel_s:g} seconds that it has stopped.",
        hint="The program may still run where it was started; look there.",
    )
