"""Make the course's site, and show it."""

from __future__ import annotations

import argparse
import functools
import sys
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from helpers.course.errors import CourseError
from helpers.course.project import Project
from helpers.course.site.build import build_site

HELP = "make the course's site from the executed solutions and the pages, in site/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--serve", action="store_true", help="then show it on this computer, until Ctrl+C")
    parser.add_argument("--port", type=int, default=8000, help="where --serve shows it (default: 8000; 0: any)")
    parser.add_argument("--out", type=Path, help="where to write (default: site/ in the repository)")
    parser.add_argument("--root", type=Path, help="the repository (default: the one that helpers is installed from)")


def run(args: argparse.Namespace) -> int:
    project = Project(args.root.resolve()) if args.root else Project.here()
    out = args.out or project.root / "site"
    begin = time.monotonic()
    try:
        warnings = build_site(project, out)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    if warnings:
        print("\n".join(warnings), file=sys.stderr)
        print(f"{len(warnings)} warnings: {out} is as it was", file=sys.stderr)
        return 1
    print(f"written: {out} ({time.monotonic() - begin:.0f} s)")
    if args.serve:
        serve(out, args.port)
    return 0


def serve(folder: Path, port: int) -> None:
    """Show a folder's pages to this computer alone, until somebody presses Ctrl+C."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/ (Ctrl+C ends it)", flush=True)
        server.serve_forever()
