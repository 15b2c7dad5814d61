"""Downloads from a local server: the data set is complete and verified, or absent."""

import contextlib
import hashlib
import http.server
import io
import shutil
import tarfile
import threading
import zipfile

import numpy as np
import pytest
import requests
from PIL import Image

from segcourse.data import catalogue, download, load_dataset, transfer
from segcourse.data.catalogue import Entry, Layout, RemoteFile
from segcourse.errors import DataError


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((6, 8), value, np.uint8)).save(buffer, format="png")
    return buffer.getvalue()


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], link: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        if link is not None:
            member = tarfile.TarInfo("link")
            member.type, member.linkname = tarfile.SYMTYPE, link
            archive.addfile(member)
    return buffer.getvalue()


IMAGES = zipped({f"Pictures/{k}.png": png(50 + k) for k in range(3)})
MASKS = tarred({f"Labels/{k}_mask.png": png(k % 2) for k in range(3)})


class Server:
    """A server of `content` by path.

    `cut`: paths whose connection breaks half-way. `ranges`: send what a Range header asks for. `length`: send
    Content-Length. `asked`, `sent`: the requested paths, and the number of bytes in each reply.
    """

    def __init__(self):
        self.content = {"/images.zip": IMAGES, "/masks.tar.gz": MASKS}
        self.kinds = {}
        self.cut: set[str] = set()
        self.ranges = self.length = True
        self.asked: list[str] = []
        self.sent: list[int] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                whole = outer.content.get(self.path)
                start = int(self.headers.get("Range", "bytes=0-")[6:-1]) if outer.ranges else 0
                body = (whole or b"")[start:]
                beyond = whole is not None and 0 < start >= len(whole)
                code = 404 if whole is None else 416 if beyond else 206 if start else 200
                self.send_response(code)
                if code in (206, 416):
                    span = "*" if beyond else f"{start}-{len(whole) - 1}"
                    self.send_header("Content-Range", f"bytes {span}/{len(whole)}")
                if self.path in outer.kinds:
                    self.send_header("Content-Type", outer.kinds[self.path])
                if outer.length:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                body = body[: len(body) // 2 if self.path in outer.cut else None]
                outer.sent.append(len(body))
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(transfer, "_CHUNK", 1)  # the archives are small
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


@pytest.fixture
def toy(server, monkeypatch, tmp_path):
    """A data set called "toy" in the catalogue, and SEGCOURSE_DATA in a fresh folder."""

    def add(image_checksum="unknown", **changes):
        fields = {
            "name": "toy",
            "title": "Toy",
            "page": "https://example.org/toy",
            "access": "program",
            "licence": "CC0",
            "citation": "nobody",
            "image_size": "8 x 6",
            "download": "a kilobyte",
            "pairs": {"train": 3},
            "classes": ("background", "thing"),
            "splits": {"train": Layout("Pictures", "Labels")},
            "files": (
                RemoteFile(f"{server.address}/images.zip", image_checksum),
                RemoteFile(f"{server.address}/masks.tar.gz", "unknown"),
            ),
        }
        monkeypatch.setattr(catalogue, "entries", lambda: {"toy": Entry(**{**fields, **changes})})

    monkeypatch.setenv("SEGCOURSE_DATA", str(tmp_path / "data"))
    add()
    return add


def left_behind(tmp_path):
    """Return all files and folders below the data folder, except archives kept for a second try."""
    paths = (tmp_path / "data").rglob("*")
    return [path for path in paths if ".downloads" not in path.relative_to(tmp_path).parts]


def test_download_verify_unpack_and_read(toy, server, tmp_path):
    toy(image_checksum="sha256:" + hashlib.sha256(IMAGES).hexdigest())
    folder = download.fetch("toy", progress=False)
    assert folder == tmp_path / "data" / "toy"
    dataset = load_dataset("toy")
    assert [sample.name for sample in dataset] == ["0", "1", "2"]
    assert dataset[1].mask.unique().tolist() == [1]
    assert not (tmp_path / "data" / ".downloads" / "toy").exists()
    assert download.fetch("toy", progress=False) == folder
    assert server.asked == ["/images.zip", "/masks.tar.gz"]  # the second call downloaded nothing


def test_wrong_checksum_keeps_nothing(toy, tmp_path):
    toy(image_checksum="md5:" + "0" * 32)
    with pytest.raises(DataError, match=r"images\.zip does not have the catalogue's checksum md5:0000"):
        download.fetch("toy", progress=False)
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("length", [True, False])
def test_a_broken_connection_keeps_what_arrived_for_a_second_try(toy, server, tmp_path, ranges, length):
    server.ranges = ranges
    server.cut.add("/masks.tar.gz")
    with pytest.raises(DataError, match=r"masks\.tar\.gz could not be downloaded .* by hand: 1\. download"):
        download.fetch("toy", progress=False)
    assert left_behind(tmp_path) == []
    half = len(MASKS) // 2
    assert server.sent == [len(IMAGES), half]
    server.cut.clear()
    server.length = length
    download.fetch("toy", progress=False)
    assert server.asked.count("/images.zip") == 1  # a complete archive is not downloaded again
    assert server.sent[2:] == [len(MASKS) - half if ranges else len(MASKS)]
    assert len(load_dataset("toy")) == 3
    assert not (tmp_path / "data" / ".downloads" / "toy").exists()


def test_a_server_that_sends_less_than_it_says_many_times(toy, server):
    server.cut = set(server.content)
    for _ in range(40):  # half of the rest each time, until nothing is left to halve
        with pytest.raises(DataError, match="could not be downloaded"):
            download.fetch("toy", progress=False)
    server.cut.clear()
    download.fetch("toy", progress=False)
    assert len(load_dataset("toy")) == 3


def part(tmp_path, content):
    """Write what an earlier try left of images.zip."""
    path = tmp_path / "data" / ".downloads" / "toy" / "images.zip.part"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "left", [IMAGES, IMAGES + b"more", b"x" * len(IMAGES)], ids=["all", "more", "another"]
)
def test_what_an_earlier_try_left_is_verified(toy, server, tmp_path, left):
    part(tmp_path, left)
    if left != IMAGES[: len(left)] and len(left) == len(IMAGES):
        with pytest.raises(DataError, match="not a zip or tar archive"):
            download.fetch("toy", progress=False)
    download.fetch("toy", progress=False)
    assert len(load_dataset("toy")) == 3


def test_a_file_that_changed_on_the_server_between_two_tries(toy, server, tmp_path):
    part(tmp_path, bytes(len(IMAGES) // 2))
    with pytest.raises(DataError, match=r"images\.zip is damaged"):
        download.fetch("toy", progress=False)
    assert left_behind(tmp_path) == []
    download.fetch("toy", progress=False)
    assert len(load_dataset("toy")) == 3


def test_a_web_page_instead_of_an_archive(toy, server, tmp_path):
    server.content["/images.zip"] = b"<html>Please log in</html>"
    server.kinds["/images.zip"] = "text/html; charset=utf-8"
    with pytest.raises(DataError, match=r"images\.zip is a web page, not an archive"):
        download.fetch("toy", progress=False)
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []


def test_no_progress_bar_without_a_terminal(toy, capfd):
    download.fetch("toy")
    assert capfd.readouterr() == ("", "")


def test_not_found_on_the_server(toy, server, tmp_path):
    del server.content["/images.zip"]
    with pytest.raises(DataError, match=r"could not be downloaded \(404"):
        download.fetch("toy", progress=False)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("share", [0.2, 0.9])
@pytest.mark.parametrize(("path", "whole"), [("/images.zip", IMAGES), ("/masks.tar.gz", MASKS)])
def test_archive_cut_short_on_the_server_itself(toy, server, tmp_path, path, whole, share):
    server.content[path] = whole[: int(len(whole) * share)]
    with pytest.raises(DataError, match=r"(incomplete|is damaged)"):
        download.fetch("toy", progress=False)
    assert left_behind(tmp_path) == []
    server.content[path] = whole
    download.fetch("toy", progress=False)  # the bad file was not kept


def test_a_flipped_byte_is_noticed_without_a_checksum(toy, server, tmp_path):
    damaged = bytearray(IMAGES)
    damaged[60] ^= 0xFF  # in the first picture
    server.content["/images.zip"] = bytes(damaged)
    with pytest.raises(DataError, match="damaged"):
        download.fetch("toy", progress=False)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["../outside.png", "/outside.png", "a/../../outside.png", "..\\outside.png", "C:/x"]
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_paths_that_lead_outside_are_refused(tmp_path, name, pack):
    archive = tmp_path / "archive"
    archive.write_bytes(pack({"fine.png": b"", name: b"gotcha"}))
    with pytest.raises(DataError, match="would write outside its folder"):
        download.unpack(archive, tmp_path / "inside")
    assert not list(tmp_path.rglob("outside*"))
    assert list((tmp_path / "inside").iterdir()) == []


def test_links_are_refused(tmp_path):
    (tmp_path / "tar").write_bytes(tarred({}, link="/etc/passwd"))
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    for kind in ("tar", "zip"):
        with pytest.raises(DataError, match="contains a link"):
            download.unpack(tmp_path / kind, tmp_path / "inside")


@pytest.mark.parametrize(("free", "asked"), [(10, 1), (10_000, 2)], ids=["download", "unpacking"])
def test_a_full_disk_is_reported_and_what_arrived_is_kept(toy, server, tmp_path, monkeypatch, free, asked):
    pictures = {f"Pictures/{k}.png": png(50 + k) for k in range(3)}
    server.content["/images.zip"] = zipped(pictures | {"zeros": bytes(10**6)}, zipfile.ZIP_DEFLATED)
    with monkeypatch.context() as patch:
        usage = shutil.disk_usage(tmp_path)._replace(free=free)
        patch.setattr(shutil, "disk_usage", lambda path: usage)
        with pytest.raises(DataError, match=r"needs 0\.0 GB, but only 0\.0 GB are free\); free some space"):
            download.fetch("toy", progress=False)
    assert left_behind(tmp_path) == []
    assert len(server.asked) == asked
    download.fetch("toy", progress=False)
    assert server.asked.count("/masks.tar.gz") == 1


def test_an_encrypted_or_damaged_member_is_explained(tmp_path):
    encrypted = bytearray(IMAGES)
    for place in (6, IMAGES.index(b"PK\x01\x02") + 8):  # the flags of the first member, in both its headers
        encrypted[place] |= 1
    (tmp_path / "locked.zip").write_bytes(encrypted)
    with pytest.raises(DataError, match=r"locked\.zip is damaged .*encrypted"):
        download.unpack(tmp_path / "locked.zip", tmp_path / "inside")


@pytest.mark.parametrize("whole", [IMAGES, MASKS], ids=["zip", "tar"])
def test_any_flipped_byte_is_harmless_or_explained(tmp_path, whole):
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        (tmp_path / "archive").write_bytes(damaged)
        with contextlib.suppress(DataError):
            download.unpack(tmp_path / "archive", tmp_path / "inside")


def test_a_half_unpacked_folder_is_not_taken_for_the_data_set(toy, server, tmp_path):
    download.fetch("toy", progress=False)
    (tmp_path / "data" / "toy" / "Pictures" / "2.png").unlink()
    with pytest.raises(
        DataError, match=r"toy in .* is incomplete .* train holds 2 pairs .* and 3 were published"
    ):
        download.fetch("toy", progress=False)
    assert len(server.asked) == 2
    shutil.rmtree(tmp_path / "data" / "toy")
    for k in range(2):  # a folder prepared by hand may hold any number of pairs
        for folder, value in (("images", 50 + k), ("masks", k)):
            path = tmp_path / "data" / "toy" / "train" / folder / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(value))
    assert download.fetch("toy", progress=False) == tmp_path / "data" / "toy"


def test_contents_that_differ_from_the_catalogue(toy, server, tmp_path):
    toy(pairs={"train": 4})
    with pytest.raises(DataError, match="contain 3 pairs of image and mask for train, but 4 were expected"):
        download.fetch("toy", progress=False)
    toy(splits={"train": Layout("Elsewhere", "Labels")})
    with pytest.raises(DataError, match="the archives do not contain Elsewhere"):
        download.fetch("toy", progress=False)
    assert left_behind(tmp_path) == []


def test_ctrl_c_while_downloading(toy, server, tmp_path, monkeypatch):
    def interrupted(self, size):
        yield IMAGES[:100]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(requests.Response, "iter_content", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download.fetch("toy", progress=False)
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert [(path.name, path.stat().st_size) for path in files] == [("images.zip.part", 100)]
    download.fetch("toy", progress=False)
    assert server.sent[-2:] == [len(IMAGES) - 100, len(MASKS)]


def test_ctrl_c_while_unpacking(toy, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extractall", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            download.fetch("toy", progress=False)
    assert left_behind(tmp_path) == []
    download.fetch("toy", progress=False)
    assert len(load_dataset("toy")) == 3


def test_files_that_were_there_before_stay(toy, tmp_path):
    notes = tmp_path / "data" / "toy" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    download.fetch("toy", progress=False)
    assert notes.read_text() == "mine"
    assert len(load_dataset("toy")) == 3


def test_archives_without_a_top_folder(toy, server):
    server.content["/images.zip"] = zipped({f"2017/{k}.png": png(k) for k in range(3)})
    server.content["/masks.tar.gz"] = tarred({f"2017/{k}.png": png(k % 2) for k in range(3)})
    toy(
        splits={"train": Layout("images/2017", "masks/2017")},
        files=(
            RemoteFile(f"{server.address}/images.zip", "unknown", into="images"),
            RemoteFile(f"{server.address}/masks.tar.gz", "unknown", into="masks"),
        ),
    )
    download.fetch("toy", progress=False)
    assert len(load_dataset("toy")) == 3


def test_by_hand_only(toy, tmp_path):
    toy(access="by hand", steps=("register at https://example.org", "unpack in FOLDER"), files=())
    with pytest.raises(DataError) as error:
        download.fetch("toy")
    assert str(error.value) == (
        "toy must be downloaded by hand: 1. register at https://example.org; "
        f"2. unpack in {tmp_path / 'data' / 'toy'}. Licence: CC0"
    )
