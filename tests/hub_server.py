"""A small Hugging Face hub on this machine: repositories are folders, and the protocol is what its libraries speak.

`python tests/hub_server.py FOLDER` serves `FOLDER/models/OWNER/NAME` and `FOLDER/datasets/OWNER/NAME` until it is
stopped, and prints its address; with `HF_ENDPOINT` set to that, `transformers` and `datasets` load from there.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event
from urllib.parse import parse_qs, unquote, urlsplit

_REPOSITORY = r"(?:(?P<kind>models|datasets)/)?(?P<name>[^/]+/[^/]+)"
_API = re.compile(rf"/api/{_REPOSITORY}(?:/(?P<verb>revision|tree|paths-info|refs)(?:/(?P<rest>.*))?)?")
_RESOLVE = re.compile(rf"/{_REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


class HubServer(ThreadingHTTPServer):
    """Serves the repositories under `root`. `requests` holds each request's method and path."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.requests: list[str] = []
        self.lost: set[str] = set()  # files that are listed, but not there, as turns out once another was sent
        self.sent = Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path)
        if match := _API.fullmatch(path):
            self.api(match, body)
        elif match := _RESOLVE.fullmatch(path):
            self.resolve(match)
        else:
            self.missing("EntryNotFound")

    def api(self, match: re.Match[str], body: bytes) -> None:
        folder = self.server.root / (match["kind"] or "models") / match["name"]
        revision, _, inside = (match["rest"] or "main").partition("/")
        if not folder.is_dir():
            self.missing("RepoNotFound")
        elif match["verb"] == "refs":
            branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": commit(folder)}]
            self.send_json({"branches": branches, "tags": [], "converts": []})
        elif revision not in {"main", commit(folder)}:
            self.missing("RevisionNotFound")
        elif match["verb"] == "tree":
            recursive = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() in {"true", "1"}
            entries = tree(folder, inside, recursive)
            self.send_json(entries) if entries else self.missing("EntryNotFound")
        elif match["verb"] == "paths-info":
            wanted = asked_paths(body)
            self.send_json([entry for entry in tree(folder, "", recursive=True) if entry["path"] in wanted])
        else:
            self.send_json(information(folder, match["name"]))

    def resolve(self, match: re.Match[str]) -> None:
        folder = self.server.root / (match["kind"] or "models") / match["name"]
        if not folder.is_dir():
            self.missing("RepoNotFound")
        elif match["revision"] not in {"main", commit(folder)}:
            self.missing("RevisionNotFound")
        elif match["path"] in self.server.lost:
            self.server.sent.wait(10)
            self.missing("EntryNotFound")
        elif match["path"] not in repository_files(folder):
            self.missing("EntryNotFound")
        else:
            self.send_file((folder / match["path"]).read_bytes(), commit(folder))

    def send_file(self, content: bytes, commit: str) -> None:
        start, end = 0, len(content)
        if part := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")):
            if part[1]:
                start, end = int(part[1]), min(int(part[2] or end) + 1, end)
            else:  # the last so many
                start = max(0, end - int(part[2]))
        self.send_response(206 if part else 200)
        if part:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[start:end])
            self.server.sent.set()

    def send_json(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def missing(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", f"{code}: {self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def repository_files(folder: Path) -> list[str]:
    """List a repository's files."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def commit(folder: Path) -> str:
    """Name the state that a repository is in, with forty hexadecimal digits as git would."""
    digest = hashlib.sha1()
    for name in repository_files(folder):
        digest.update(f"{name}\0{hashlib.sha1((folder / name).read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def information(folder: Path, name: str) -> dict[str, object]:
    """Describe a repository as the hub's API does."""
    return {
        "_id": "0",
        "id": name,
        "modelId": name,
        "sha": commit(folder),
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "lastModified": "2024-01-01T00:00:00.000Z",
        "createdAt": "2024-01-01T00:00:00.000Z",
        "siblings": [{"rfilename": file} for file in repository_files(folder)],
    }


def tree(folder: Path, inside: str, recursive: bool) -> list[dict[str, object]]:
    """List what lies in a folder of a repository, as the hub's API does: files, and folders as entries of their own."""
    top = folder / inside
    paths = sorted(top.rglob("*") if recursive else top.glob("*"))
    return [
        {
            "type": "file" if path.is_file() else "directory",
            "oid": hashlib.sha1(path.read_bytes() if path.is_file() else bytes(path)).hexdigest(),
            "size": path.stat().st_size if path.is_file() else 0,
            "path": path.relative_to(folder).as_posix(),
        }
        for path in paths
    ]


def asked_paths(body: bytes) -> list[str]:
    """Read the paths out of a request's body, which is JSON or a form."""
    try:
        return list(json.loads(body)["paths"])
    except ValueError:
        return parse_qs(body.decode())["paths"]


if __name__ == "__main__":
    server = HubServer(Path(sys.argv[1]))
    print(server.address, flush=True)
    server.serve_forever()
