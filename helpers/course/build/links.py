"""List every link that a reader may follow, with where it stands, and name those that lead to no file."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from helpers.course.build.lesson import Lesson
from helpers.course.project import Project

HELP = "list every link in the lessons and the pages, with where it stands"

# A link's address as Markdown and HTML write it, or an address that stands in the text as it is.
_WRITTEN = re.compile(r"""\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|(?:href|src)=["']([^"']+)["']""")
_BARE = re.compile(r"""https?://[^\s<>"'`\])}\\]+""")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="list only links with one of these words in them")
    parser.add_argument("--root", type=Path, help="the repository (default: the one that helpers is installed from)")


def run(args: argparse.Namespace) -> int:
    project = Project(args.root.resolve()) if args.root else Project.here()
    found = all_links(project)
    for address in sorted(found):
        if not args.words or any(word in address for word in args.words):
            print(address)
            for place in found[address]:
                print(f"    {place}")
    lost = missing(project, found)
    for line in lost:
        print(line, file=sys.stderr)
    return 1 if lost else 0


def all_links(project: Project) -> dict[str, list[str]]:
    """Each link's address, and where it stands: `solutions/02_queries_keys_values.py:21`."""
    found: dict[str, list[str]] = defaultdict(list)
    for page in sorted(project.root.glob("*.md")):
        for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
            for address in links_in(line):
                found[address].append(f"{project.relative(page)}:{number}")
    for path in sorted(project.solutions.glob("*.py")):
        for offset, address in lesson_links(Lesson.read(path)):
            found[address].append(f"{project.relative(path)}:{offset}")
    return dict(found)


def links_in(line: str) -> list[str]:
    """The addresses in a line of Markdown or code, each once, in the order in which they stand there."""
    written = [match[1] or match[2] for match in _WRITTEN.finditer(line)]
    bare = [address.rstrip(".,;:!?") for address in _BARE.findall(_WRITTEN.sub(" ", line))]
    return list(dict.fromkeys(address for address in written + bare if not address.startswith("#")))


def lesson_links(lesson: Lesson) -> Iterator[tuple[int, str]]:
    """Each link of a lesson with its line: what its text and code say, and what `media` makes of a video's name."""
    for cell in lesson.cells:
        for offset, line in enumerate(cell.source.split("\n")):
            for address in links_in(line):
                yield cell.line + offset, address
        if cell.kind == "code":
            for node in ast.walk(ast.parse(cell.source)):
                for address in media_links(node):
                    yield cell.line + getattr(node, "lineno", 1) - 1, address


def media_links(node: ast.AST) -> list[str]:
    """Where a call of `media.video` or `media.slides` leads."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return []
    if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "media"):
        return []
    from helpers import media

    if node.func.attr == "slides":
        return [media.SLIDES]
    if node.func.attr == "video":
        youtube, bilibili = (str(ast.literal_eval(argument)) for argument in node.args[:2])
        return list(media.video_addresses(youtube, bilibili).values())
    return []


def missing(project: Project, found: dict[str, list[str]]) -> list[str]:
    """A line for each link to a file of the repository that is not there.

    A lesson's links are followed from `notebooks/`, where its readers are.
    """
    lines = []
    for address, places in found.items():
        if re.match(r"[a-z]+:", address):
            continue
        for place in places:
            page = project.root / place.rpartition(":")[0]
            start = project.notebooks if page.parent == project.solutions else page.parent
            if not (start / unquote(address.partition("#")[0])).exists():
                lines.append(f"{place}: there is no file {address}")
    return sorted(lines)
