"""The exception by which a check tells a student what is not right yet."""

from __future__ import annotations


class CheckFailed(AssertionError):  # noqa: N818  (the lessons say that a check failed)
    """An answer is not right yet; the message says what was expected, what came, and where to look.

    IPython shows the message alone, without a traceback. For nbval, nbgrader and plain Python it is an
    exception like any other.

    Attributes
    ----------
    exercise : str
        Id of the exercise.
    misconception : str or None
        Name of the misconception that gives what the answer gives on the same inputs, where there is one.
    seed : int or None
        Hand it to the check to draw the same sizes and numbers again; None where nothing was drawn.
    step : str
        What would be right if the step had passed that failed; "" where none was reached.
    blank : bool
        Whether the answer is not finished: a blank is still open.
    """

    def __init__(
        self,
        message: str,
        exercise: str = "",
        misconception: str | None = None,
        seed: int | None = None,
        step: str = "",
        blank: bool = False,
    ) -> None:
        super().__init__(message)
        self.exercise = exercise
        self.misconception = misconception
        self.seed = seed
        self.step = step
        self.blank = blank

    @property
    def details(self) -> tuple[str, str | None, int | None, str, bool]:
        """Everything but the message."""
        return self.exercise, self.misconception, self.seed, self.step, self.blank

    def _render_traceback_(self) -> list[str]:
        """IPython shows these lines in place of a traceback."""
        return str(self).splitlines()
