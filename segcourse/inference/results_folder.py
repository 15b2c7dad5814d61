"""The folder of predictions: which results it holds, from which settings, and which images are done."""

import csv
import io
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from segcourse.errors import DataError
from segcourse.files import replacing, write_csv
from segcourse.inference.pipeline import Job, Order, Outcome

RECORD, SHARES = "predict.json", "shares.csv"
SHEET, COCO = "contact_sheet.jpg", "coco.json"


class ResultsFolder:
    """Results of one model with one group of settings; a second run continues where the first one stopped.

    `predict.json` lists the settings and the files that are results, before they are written: so a run that
    was stopped can be continued, and what else is in the folder is never overwritten. `shares.csv` gets a row
    when all results of an image are there.

    Args:
        order: where and what to write.
        settings: what the results depend on, as JSON values. A setting of one kind of result is only there
            if that kind is written, and only what both runs set is compared.
        columns: the names of the columns of shares.csv.
    """

    def __init__(self, order: Order, settings: dict[str, Any], columns: list[str]) -> None:
        self.order, self.settings, self.columns = order, settings, columns
        self.rows: dict[str, list[str]] = {}
        self.created = not order.out.exists()
        self.record = self._read_record()

    def is_result(self, path: Path) -> bool:
        """Return True for a file that an earlier run wrote here: it is no image to predict."""
        return path.name in self.record["results"] and path.parent.resolve() == self.order.out.resolve()

    def begin(self, jobs: list[Job], force: bool = False) -> list[Job]:
        """Claim the results of some images, and return the images that are not done yet.

        Args:
            jobs: the images.
            force: predict all again, and overwrite whatever has the name of a result, except the images.

        Raises:
            DataError: a result would overwrite an image; or, without `force`, another file, or the folder
                holds results from other settings.
            SaveError: the folder is not writable or the disk is full.
        """
        out, before, earlier = self.order.out, self.record["settings"], self.record["results"]
        changed = _difference(before, self.settings)
        if changed and not force:
            raise DataError(
                f"{out} holds results from other settings ({changed}); choose another folder with --out, or "
                "pass --force to predict again."
            )
        present = {path.name for path in out.iterdir()} if out.is_dir() else set()
        results = dict.fromkeys((RECORD, SHARES, SHEET, COCO), "")
        results |= {self.order.target(job, kind).name: job.name for job in jobs for kind in self.order.kinds}
        existing = [name for name in results if name in present]
        _refuse_images(out, existing, jobs)
        foreign = [name for name in existing if earlier.get(name) != results[name]]
        if foreign and not force:
            raise DataError(
                f"{out / foreign[0]} exists already; choose another folder with --out, or pass --force to "
                "overwrite it."
            )
        if changed:
            before, earlier = {}, {}
        else:
            self.rows = self._read_rows()
        todo = [job for job in jobs if force or not self._is_done(job, present)]
        with replacing(out / RECORD) as temporary:
            record = {"settings": before | self.settings, "results": earlier | results}
            temporary.write_text(json.dumps(record, indent=0))
        self._write_rows(self.rows)  # without a last row that was cut off
        return todo

    def add(self, outcome: Outcome) -> None:
        """Append the row of an image whose results are written."""
        self.rows[outcome.name] = outcome.row
        with (self.order.out / SHARES).open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(outcome.row)

    def finish(self, jobs: Iterable[Job]) -> None:
        """Write each row once, in the order of the images; a folder without any result is removed."""
        if self.rows:
            names = dict.fromkeys(job.name for job in jobs)
            first = {name: row for name, row in self.rows.items() if name not in names}
            self._write_rows(first | {name: self.rows[name] for name in names if name in self.rows})
            return
        for name in (RECORD, SHARES):
            (self.order.out / name).unlink(missing_ok=True)
        if self.created:
            self.order.out.rmdir()

    def _is_done(self, job: Job, present: Collection[str]) -> bool:
        targets = [self.order.target(job, kind) for kind in self.order.kinds]
        if job.name not in self.rows or any(target.name not in present for target in targets):
            return False
        try:  # an image that was edited since is predicted again
            return job.path.stat().st_mtime <= min(target.stat().st_mtime for target in targets)
        except OSError:
            return False

    def _read_record(self) -> dict[str, Any]:
        try:
            record = json.loads((self.order.out / RECORD).read_text(encoding="utf-8"))
            return {"settings": dict(record["settings"]), "results": dict(record["results"])}
        except (OSError, ValueError, KeyError, TypeError):  # none, or another program's file
            return {"settings": {}, "results": {}}

    def _read_rows(self) -> dict[str, list[str]]:
        try:
            with (self.order.out / SHARES).open(newline="", encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            return {}
        whole = text[: text.rfind("\n") + 1]
        rows = list(csv.reader(io.StringIO(whole, newline="")))
        if rows[:1] != [self.columns]:
            return {}
        return {row[0]: row for row in rows[1:] if len(row) == len(self.columns)}

    def _write_rows(self, rows: dict[str, list[str]]) -> None:
        write_csv(self.order.out / SHARES, [self.columns, *rows.values()])


def _refuse_images(out: Path, names: list[str], jobs: list[Job]) -> None:
    """Raise a DataError if a file in `out` is one of the images."""
    # resolving each of a million paths takes minutes, resolving their folders does not
    folders = {folder: folder.resolve() for folder in {job.path.parent for job in jobs}}
    images = {
        job.path.resolve() if job.path.is_symlink() else folders[job.path.parent] / job.path.name
        for job in jobs
    }
    for name in names:
        if (out / name).resolve() in images:
            raise DataError(
                f"{out / name} is one of the images to predict; choose another folder with --out."
            )


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Say the first setting that both have and that differs; empty if there is none.

    >>> _difference({"keep": None, "alpha": 0.5}, {"keep": "car"}), _difference({"alpha": 0.5}, {"tile": 64})
    ('keep: None before, car now', '')
    """
    changed = (name for name in now if name in before and before[name] != now[name])
    return next((f"{name}: {before[name]} before, {now[name]} now" for name in changed), "")
