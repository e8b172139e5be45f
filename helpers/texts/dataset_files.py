"""Data sets as files of the course's cache, for `make_once`: one file for each part, read in place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import DatasetDict


def write_parts(parts: DatasetDict, folder: Path) -> None:
    """Write each part as an Arrow stream, right into `folder` (`save_to_disk` would make directories in it)."""
    import pyarrow as pa

    for part, dataset in parts.items():
        table = dataset.data.table.cast(dataset.features.arrow_schema)  # this schema names the classes
        with pa.OSFile(str(folder / f"{part}.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)


def read_parts(folder: Path) -> DatasetDict:
    """Open what `write_parts` wrote. Memory is used for what is looked at only."""
    from datasets import Dataset, DatasetDict

    return DatasetDict({part: Dataset.from_file(str(folder / f"{part}.arrow")) for part in ("train", "test")})
