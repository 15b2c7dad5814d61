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
import pooch
import pytest
from PIL import Image

from segcourse.data import catalogue, download, load_dataset
from segcourse.data.catalogue import Entry, Layout, RemoteFile
from segcourse.errors import DataError


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((6, 8), value, np.uint8)).save(buffer, format="png")
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
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
    """A server of `content` by path; paths in `cut` break off half-way; `asked` records the requests."""

    def __init__(self):
        self.content = {"/images.zip": IMAGES, "/masks.tar.gz": MASKS}
        self.cut: set[str] = set()
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                body = outer.content.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write((body or b"")[: len(body) // 2 if self.path in outer.cut else None])

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
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


def test_a_broken_connection_keeps_nothing_and_a_second_try_continues(toy, server, tmp_path):
    server.cut.add("/masks.tar.gz")
    with pytest.raises(DataError, match=r"masks\.tar\.gz could not be downloaded .* by hand: 1\. download"):
        download.fetch("toy", progress=False)
    assert left_behind(tmp_path) == []
    server.cut.clear()
    download.fetch("toy", progress=False)
    assert server.asked.count("/images.zip") == 1  # a complete archive is not downloaded again
    assert len(load_dataset("toy")) == 3


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


def test_a_full_disk_is_reported_before_unpacking(toy, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match="free some space"):
        download.fetch("toy", progress=False)
    assert left_behind(tmp_path) == []


def test_contents_that_differ_from_the_catalogue(toy, server, tmp_path):
    toy(pairs={"train": 4})
    with pytest.raises(DataError, match="contain 3 pairs of image and mask for train, but 4 were expected"):
        download.fetch("toy", progress=False)
    toy(splits={"train": Layout("Elsewhere", "Labels")})
    with pytest.raises(DataError, match="the archives do not contain Elsewhere"):
        download.fetch("toy", progress=False)
    assert left_behind(tmp_path) == []


def test_ctrl_c_while_downloading(toy, tmp_path, monkeypatch):
    def interrupted(self, url, output_file, *args, **kwargs):
        with open(output_file, "wb") as file:
            file.write(IMAGES[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pooch.HTTPDownloader, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download.fetch("toy", progress=False)
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []
    download.fetch("toy", progress=False)


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
