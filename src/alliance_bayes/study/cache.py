"""Posteriors kept in a folder, so that a study that was interrupted goes on from the models that were finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import xarray as xr

from alliance_bayes.atomic import check_folder, make_folder, replacing
from alliance_bayes.errors import FileFormatError, UsageError
from alliance_bayes.foreign import parse_json
from alliance_bayes.trees import read_tree, write_tree

__all__ = ["PosteriorCache"]

# Raised whenever a file of another layout, or draws of another meaning, would be written.
FORMAT = 3


class PosteriorCache:
    """A folder of posteriors by what they were made from.

    The files hold draws of parameters and how they came about, and no row of data. A file that cannot be read counts as
    none, and so does one that is not as it was written: the model is then fitted again.

    Parameters
    ----------
    folder
        Made when it does not exist; None keeps nothing.

    Raises
    ------
    UsageError, WriteError
        The folder's own folder does not exist, a file is in the way, or the system refuses to write there.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder is None:
            return
        if not folder.parent.is_dir():
            raise UsageError(f"the folder of '{folder}' does not exist. Create it first.")
        check_folder(folder)

    @staticmethod
    def key(ingredients: Mapping[str, Any]) -> str:
        """A name for what a posterior was made from: data, model, settings, version."""
        text = json.dumps({"format": FORMAT, **ingredients}, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def load(self, key: str) -> xr.DataTree | None:
        """The posterior of that name with its attribute ``info``, or None."""
        if self.folder is None:
            return None
        try:
            tree = read_tree(self.folder / f"{key}.nc", what="a posterior", remedy="")
            info = parse_json(tree.attrs.get("info"), what="its info", remedy="")
        except FileFormatError:
            return None
        return tree if isinstance(info, dict) else None

    def store(self, key: str, tree: xr.DataTree, info: Mapping[str, Any]) -> None:
        """Keep a posterior; the file appears whole or not at all."""
        if self.folder is None:
            return
        make_folder(self.folder)
        tree = tree.copy()
        tree.attrs = {**tree.attrs, "info": json.dumps(dict(info))}
        try:
            with replacing(self.folder / f"{key}.nc") as (draft,):
                write_tree(tree, draft)
        except BaseException:
            # Of a full disk no empty folder is left behind; one that holds something stays.
            with suppress(OSError):
                self.folder.rmdir()
            raise
