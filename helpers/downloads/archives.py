"""Archives, member by member: nothing in one reaches the disk under a path of the archive's own choosing."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from helpers.downloads.cache import DownloadError
from helpers.downloads.hashes import verify


def extract_members(
    archive: Path, members: Iterable[str], folder: Path, *, sha256: Mapping[str, str] | None = None
) -> None:
    """Unpack some members of a zip file (a wheel is one) into `folder`: call it within `make_once`.

    Parameters
    ----------
    archive
        The zip file.
    members
        Names inside it. Each file is put right into `folder`, under the last part of its name.
    folder
        A directory that exists.
    sha256
        For some of `members`, the SHA-256 that the unpacked file must have.

    Raises
    ------
    DownloadError
        When a member is missing or has another hash, or when any name in the archive would lead out of the
        directory that it is unpacked into.
    """
    with zipfile.ZipFile(archive) as zipped:
        refuse_names_that_lead_out(archive, zipped.namelist())
        for member in members:
            place = folder / PurePosixPath(member).name
            try:
                with zipped.open(member) as source, place.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
            except (KeyError, zipfile.BadZipFile) as error:
                raise DownloadError(f"{archive} is not what it should be: {error}.") from error
            if wanted := (sha256 or {}).get(member):
                verify(place, wanted)


def refuse_names_that_lead_out(archive: Path, names: Iterable[str]) -> None:
    """Refuse an archive of which a member has an absolute path, or one with `..` in it.

    Raises
    ------
    DownloadError
        With the first such name.
    """
    for name in names:
        if any(path.anchor or ".." in path.parts for path in (PurePosixPath(name), PureWindowsPath(name))):
            raise DownloadError(
                f"{archive} is not read: its member {name!r} leads out of the folder that it is unpacked into. "
                "This is not the file that the course was made with; tell your instructor."
            )
