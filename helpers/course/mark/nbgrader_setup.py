"""For instructors who mark with nbgrader itself: a configuration that fits this course's notebooks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "write an nbgrader_config.py that fits this course's notebooks into a course folder of nbgrader's"

CONFIG = '''\
"""How nbgrader handles the notebooks of this course. Written by `python -m helpers.course nbgrader`."""

c = get_config()  # noqa: F821

# The exercises hold their skeletons already: the step that would replace every one by NotImplementedError is left out.
c.GenerateAssignment.preprocessors = [
    "nbgrader.preprocessors.LockCells",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.SaveCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.ClearSolutions.enforce_metadata = False

# Only what the checks need is run: no training, no demo, no download.
c.Autograde.autograde_preprocessors = [
    "helpers.course.mark.only_checks.OnlyChecks",
    "nbgrader.preprocessors.Execute",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
# A check ends an answer that never ends, and explains it; the limit of a cell must not come before.
c.Execute.timeout = 120
'''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the course folder, where nbgrader's source/ and submitted/ are")
    parser.add_argument("--force", action="store_true", help="replace a configuration that is there")


def run(args: argparse.Namespace) -> int:
    target = args.folder / "nbgrader_config.py"
    if target.exists() and not args.force:
        print(f"{target} is there already; --force replaces it.", file=sys.stderr)
        return 1
    args.folder.mkdir(parents=True, exist_ok=True)
    target.write_text(CONFIG, "utf-8")
    print(f"Written: {target}. Put notebooks into source/LESSON/, then: nbgrader generate_assignment LESSON")
    return 0
