"""Downloading a data set so that it is either whole and checked, or not there at all."""

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pooch
import requests

from segcourse.data import catalogue
from segcourse.data.catalogue import Entry, RemoteFile, find_layout, read_ids
from segcourse.data.pairing import match_files
from segcourse.errors import DataError


def fetch(name: str, root: str | os.PathLike | None = None, progress: bool = True) -> Path:
    """Download, verify and unpack a set below `root` (default: `data_root()`); returns its folder.

    A set that is already here is not fetched again, and a download that fails leaves nothing half done.

    Raises:
        DataError: only a person may fetch it (with the steps), or what arrived is not what the catalogue
            says.
    """
    one = catalogue.entry(name)
    target = (Path(root) if root is not None else catalogue.data_root()) / name
    if all(find_layout(one, target, split) for split in one.splits):
        return target
    if one.access != "program":
        raise DataError(
            f"{name} may not be fetched by a program. By hand: {one.instructions(target)}. Licence: "
            f"{one.licence}"
        )
    return download(one, target, progress)


def download(entry: Entry, target: Path, progress: bool = True) -> Path:
    """Fetch the archives of a set, unpack them beside `target`, check what came out, and move it to `target`.

    Archives that arrived whole are kept until the set is complete, so that a second try does not fetch them
    again.

    Raises:
        DataError: an archive could not be fetched, has another checksum, is damaged, would write outside its
            folder, does not fit on the disk, or holds other files than the catalogue says.
    """
    archives = target.parent / ".downloads" / entry.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fetched = [(file, _retrieve(file, archives, entry, progress)) for file in entry.files]
        with tempfile.TemporaryDirectory(prefix=f".{entry.name}-", dir=target.parent) as temporary:
            unpacked = Path(temporary) / entry.name
            for file, archive in fetched:
                try:
                    unpack(archive, unpacked / file.into)
                except DataError:
                    archive.unlink(missing_ok=True)  # the next try must not meet the same bad file
                    raise
            _check_pairs(entry, unpacked)
            _move(unpacked, target)
    except OSError as error:
        raise DataError(
            f"{entry.name} could not be stored in {target} ({error.strerror or error}); free some space or "
            "set SEGCOURSE_DATA to another folder, then try again"
        ) from error
    shutil.rmtree(archives, ignore_errors=True)
    return target


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive, but only if every member stays inside `folder` and all of them fit on the
    disk.

    Raises:
        DataError: damaged, not an archive, a member with a path that leads outside or a link, or too little
            space.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                links = [info.filename for info in file.infolist() if stat.S_ISLNK(info.external_attr >> 16)]
                sizes = {info.filename: info.file_size for info in file.infolist()}
                _admit(archive, sizes, links, folder)
                file.extractall(folder)  # compares each member's CRC
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as file:
                members = file.getmembers()
                links = [member.name for member in members if not (member.isfile() or member.isdir())]
                _admit(archive, {member.name: member.size for member in members}, links, folder)
                file.extractall(folder, filter="data")
        else:
            raise DataError(f"{archive.name} is no zip or tar archive, or it is cut short; fetch it again")
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(f"{archive.name} is damaged ({error}); fetch it again") from error


def _retrieve(file: RemoteFile, folder: Path, entry: Entry, progress: bool) -> Path:
    checksum = None if file.checksum == "unknown" else file.checksum
    name = PurePosixPath(file.url).name
    pooch.get_logger().setLevel("WARNING")
    try:
        # pooch writes to a temporary file and moves it only when it is whole and its checksum is right
        downloader = pooch.HTTPDownloader(progressbar=progress, timeout=30)
        return Path(pooch.retrieve(file.url, checksum, name, folder, downloader=downloader))
    except requests.RequestException as error:
        raise DataError(
            f"{file.url} could not be fetched ({error}). Try again, or by hand: "
            f"{entry.instructions(folder.parent.parent / entry.name)}"
        ) from error
    except ValueError as error:  # what pooch raises for a wrong checksum
        raise DataError(
            f"{name} arrived with another checksum than the catalogue's {file.checksum}: damaged on the "
            "way, or changed by its owner; nothing was kept, try again"
        ) from error


def _admit(archive: Path, sizes: dict[str, int], links: list[str], folder: Path) -> None:
    for name in sizes:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name[:3]:
            raise DataError(f"{archive.name} would write outside its folder ({name}); it was not unpacked")
    if links:
        raise DataError(f"{archive.name} contains a link, {links[0]}")
    needed, free = sum(sizes.values()), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{archive.name} unpacks to {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; free some "
            "space or set SEGCOURSE_DATA to another disk"
        )


def _check_pairs(entry: Entry, folder: Path) -> None:
    for split, expected in entry.pairs.items():
        layout = find_layout(entry, folder, split)
        if layout is None:
            raise DataError(
                f"{entry.name}: the archives do not hold {entry.splits[split].images}; the data set may have "
                f"changed, see {entry.page}"
            )
        pairs = match_files(layout.images, layout.masks).pairs
        if layout.ids is not None:
            listed = set(read_ids(layout.ids))
            pairs = [pair for pair in pairs if pair.image.stem in listed]
        if len(pairs) != expected:
            raise DataError(
                f"{entry.name}: {len(pairs)} pairs of image and mask came out for {split}, {expected} were "
                f"expected; the data set may have changed, see {entry.page}"
            )


def _move(unpacked: Path, target: Path) -> None:
    """Put the checked folder in its place; what a person had put there before is merged, file by file."""
    if target.exists():
        shutil.copytree(unpacked, target, dirs_exist_ok=True)
    else:
        unpacked.replace(target)
