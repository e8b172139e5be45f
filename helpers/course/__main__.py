"""The instructor's commands: `python -m helpers.course COMMAND`."""

from __future__ import annotations

import argparse
import importlib
import sys

# Modules are imported when their command is used: `lab` must not wait for what `build` needs.
COMMANDS = {
    "bench": "helpers.course.bench.bench",
    "build": "helpers.course.build.build",
    "lab": "helpers.course.room.lab",
    "prefetch": "helpers.course.room.prefetch",
    "links": "helpers.course.build.links",
    "mark": "helpers.course.mark.command",
    "nbgrader": "helpers.course.mark.nbgrader_setup",
    "site": "helpers.course.site.command",
    "pins": "helpers.course.room.pins",
    "wheelhouse": "helpers.course.room.wheelhouse",
    "coverage": "helpers.course.build.coverage",
    "train-word-vectors": "helpers.course.train.word_vectors",
    "train-masked-words": "helpers.course.train.masked_words",
    "train-storyteller": "helpers.course.train.storyteller",
}


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m helpers.course", description="The instructor's commands.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = arguments[0] if arguments else None
    for name, module_name in COMMANDS.items():
        if asked in COMMANDS and asked != name:
            continue
        module = importlib.import_module(module_name)
        module.add_arguments(commands.add_parser(name, help=module.HELP, description=module.HELP))
    args = parser.parse_args(arguments)
    try:
        return int(importlib.import_module(COMMANDS[args.command]).run(args))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
