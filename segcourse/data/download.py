"""Download a data set; the result is either complete and verified, or absent."""

import gzip
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
from segcourse.data.catalogue import Entry, Layout, RemoteFile, find_layout, find_packed, read_ids
from segcourse.data.pairing import match_files
from segcourse.data.transfer import need_space, transfer
from segcourse.errors import DataError


def fetch(name: str, root: str | os.PathLike | None = None, progress: bool = True) -> Path:
    """Download, verify and unpack a data set, and return its folder.

    A data set that is already there is counted, and not downloaded again. A failed download leaves no partial
    data set.

    Args:
        name: a name from the catalogue.
        root: parent folder of the data set. Default: `data_root()`.
        progress: show a progress bar.

    Raises:
        DataError: the licence asks for a download by hand (the message lists the steps), the download fails
            or differs from the catalogue, or the data set is there with fewer or more pairs than published.
    """
    one = catalogue.entry(name)
    target = (Path(root) if root is not None else catalogue.data_root()) / name
    if all(find_layout(one, target, split) for split in one.splits):
        for split, expected in one.pairs.items():
            layout = find_packed(one, target, split)  # None: a folder prepared by hand may hold any number
            if layout is not None and (count := _count_pairs(layout)) != expected:
                raise DataError(
                    f"{name} in {target} is incomplete or was changed: {split} holds {count} pairs of image "
                    f"and mask, and {expected} were published. Move the folder away, then get the data set "
                    "again."
                )
        return target
    if one.access != "program":
        raise DataError(
            f"{name} must be downloaded by hand: {one.instructions(target)}. Licence: {one.licence}"
        )
    return download(one, target, progress)


def download(entry: Entry, target: Path, progress: bool = True) -> Path:
    """Download the archives of a data set, unpack and check them, and move the result to `target`.

    What has arrived is kept until the data set is complete, so a second try downloads only the rest.

    Raises:
        DataError: an archive could not be downloaded, is damaged or has another checksum; or it would write
            outside its folder, does not fit on the disk, or differs from the catalogue.
    """
    archives = target.parent / ".downloads" / entry.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        downloaded = [(file, _retrieve(file, archives, entry, progress)) for file in entry.files]
        with tempfile.TemporaryDirectory(prefix=f".{entry.name}-", dir=target.parent) as temporary:
            unpacked = Path(temporary) / entry.name
            for file, archive in downloaded:
                try:
                    unpack(archive, unpacked / file.into)
                except DataError:
                    archive.unlink(missing_ok=True)  # the next try must not find the same bad file
                    raise
            _check_pairs(entry, unpacked)
            _move(unpacked, target)
    except OSError as error:
        raise DataError(
            f"{entry.name} could not be stored in {target} ({error.strerror or error}); free some space "
            "there, or set SEGCOURSE_DATA to a folder on another disk. Then try again."
        ) from error
    shutil.rmtree(archives, ignore_errors=True)
    return target


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive if every member stays inside `folder` and all members fit on the disk.

    Raises:
        DataError: the file is damaged or not an archive, a member is a link or has a path outside `folder`.
        OSError: the disk is too full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                links = [info.filename for info in file.infolist() if stat.S_ISLNK(info.external_attr >> 16)]
                sizes = {info.filename: info.file_size for info in file.infolist()}
                _check_members(archive, sizes, links, folder)
                file.extractall(folder)  # verifies each member's CRC
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as file:
                members = file.getmembers()
                links = [member.name for member in members if not (member.isfile() or member.isdir())]
                _check_members(archive, {member.name: member.size for member in members}, links, folder)
                # Python has the filter since 3.11.4; without it, the checks above keep every file inside
                file.extraction_filter = getattr(tarfile, "data_filter", None)
                file.extractall(folder)
        else:
            raise DataError(
                f"{archive.name} is not a zip or tar archive, or is incomplete; download it again."
            )
    # RuntimeError: an encrypted member, or a compression that Python does not have
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        gzip.BadGzipFile,
        zlib.error,
        EOFError,
        RuntimeError,
    ) as error:
        raise DataError(f"{archive.name} is damaged ({error}); download it again.") from error


def _retrieve(file: RemoteFile, folder: Path, entry: Entry, progress: bool) -> Path:
    checksum = None if file.checksum == "unknown" else file.checksum
    name = PurePosixPath(file.url).name
    pooch.get_logger().setLevel("WARNING")
    part = folder / f"{name}.part"

    def downloader(url: str, output_file: str, _: object) -> None:
        transfer(url, part, progress)
        part.replace(output_file)

    try:
        # pooch moves the file to its name only if the checksum is right
        return Path(pooch.retrieve(file.url, checksum, name, folder, downloader=downloader))
    except requests.RequestException as error:
        raise DataError(
            f"{file.url} could not be downloaded ({error}). Try again: it continues where this try stopped. "
            f"Or download it by hand: {entry.instructions(folder.parent.parent / entry.name)}"
        ) from error
    except DataError:
        raise
    except ValueError as error:  # what pooch raises for a wrong checksum
        raise DataError(
            f"{name} does not have the catalogue's checksum {file.checksum}: the download is damaged, or its "
            "owner changed the file. Nothing was kept; try again."
        ) from error


def _check_members(archive: Path, sizes: dict[str, int], links: list[str], folder: Path) -> None:
    for name in sizes:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name[:3]:
            raise DataError(f"{archive.name} would write outside its folder ({name}); it was not unpacked.")
    if links:
        raise DataError(f"{archive.name} contains a link ({links[0]}); it was not unpacked.")
    need_space(folder, sum(sizes.values()), f"{archive.name}, unpacked,")


def _check_pairs(entry: Entry, folder: Path) -> None:
    for split, expected in entry.pairs.items():
        layout = find_packed(entry, folder, split)
        if layout is None:
            raise DataError(
                f"{entry.name}: the archives do not contain {entry.splits[split].images}; the data set may "
                f"have changed, see {entry.page}"
            )
        if (count := _count_pairs(layout)) != expected:
            raise DataError(
                f"{entry.name}: the archives contain {count} pairs of image and mask for {split}, but "
                f"{expected} were expected; the data set may have changed, see {entry.page}"
            )


def _count_pairs(layout: Layout) -> int:
    pairs = match_files(layout.images, layout.masks).pairs
    if layout.ids is None:
        return len(pairs)
    listed = set(read_ids(layout.ids))
    return sum(pair.image.stem in listed for pair in pairs)


def _move(unpacked: Path, target: Path) -> None:
    """Move the checked folder to `target`; merge it file by file with a folder that is already there."""
    if target.exists():
        shutil.copytree(unpacked, target, dirs_exist_ok=True)
    else:
        unpacked.replace(target)
