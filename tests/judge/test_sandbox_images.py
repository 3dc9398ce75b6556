import io
import os
import pickle
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from accel_opt.judge.sandbox import Policy, run
from accel_opt.judge.sandbox.images import ImageLimits, OutputInvalidError, read_file, read_images

PICTURE = np.arange(16 * 12 * 3, dtype=np.uint8).reshape(16, 12, 3)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int, data: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_claiming(text: str, data: bytes = b"") -> bytes:
    header = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def test_png_and_npy(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    Image.fromarray(PICTURE).convert("RGBA").save(tmp_path / "b.png")
    np.save(tmp_path / "c.npy", PICTURE)
    np.save(tmp_path / "d.npy", PICTURE.astype(np.float16) / 255)
    a, b, c, d = read_images(tmp_path, ["a.png", "b.png", "c.npy", "d.npy"])
    for found in (a, b, c):
        np.testing.assert_array_equal(found, PICTURE)
    assert d.dtype == np.float32
    np.testing.assert_allclose(d, PICTURE / 255, atol=1e-3)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a.png", "/etc/passwd", "x/a.png", "a\0.png", 7]
)
def test_names_that_lead_elsewhere(tmp_path, name):
    with pytest.raises(OutputInvalidError, match="plain file name"):
        read_images(tmp_path, [name])


BAD = {
    "text.png": b"no image",
    "cut.png": png_claiming(16, 16),
    "large.png": png_claiming(60_000, 60_000),
    "bomb.png": png_claiming(5000, 5000, b"\0" * (5000 * 15001)),
    "empty.png": b"",
    "jpeg.png": b"\xff\xd8\xff\xe0" + b"\0" * 100,
    "huge.npy": npy_claiming("{'descr': '<f4', 'fortran_order': False, 'shape': (10**9, 9, 3), }"),
    "wide.npy": npy_claiming(
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999, 99999, 3)}"
    ),
    "negative.npy": npy_claiming("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -1, 3)}"),
    "short.npy": npy_claiming("{'descr': '|u1', 'fortran_order': False, 'shape': (8, 8, 3)}", b"x"),
    "code.npy": npy_claiming("{'descr': __import__('os').abort(), 'shape': (1,)}"),
    "object.npy": npy(np.array([{"a": 1}], dtype=object)),
    "pickle.npy": pickle.dumps([1, 2, 3]),
    "shape.npy": npy(np.zeros((8, 8), np.uint8)),
    "double.npy": npy(np.zeros((8, 8, 3))),
    "nan.npy": npy(np.full((8, 8, 3), np.nan, np.float32)),
    "zip.npz": b"PK\x03\x04",
    "script.py": b"print(1)",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path, name):
    (tmp_path / name).write_bytes(BAD[name])
    with pytest.raises(OutputInvalidError):
        read_images(tmp_path, [name])


def test_pickles_are_never_opened(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    file = io.BytesIO()
    np.lib.format.write_array(file, np.array([Evil()], dtype=object), allow_pickle=True)
    (tmp_path / "evil.npy").write_bytes(file.getvalue())
    with pytest.raises(OutputInvalidError):
        read_images(tmp_path, ["evil.npy"])
    assert not (tmp_path / "executed").exists()


def test_no_links_pipes_or_folders(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    Image.fromarray(PICTURE).save(tmp_path / "secret.png")
    (own / "soft.png").symlink_to(tmp_path / "secret.png")
    (own / "hard.png").hardlink_to(tmp_path / "secret.png")
    (own / "folder.png").mkdir()
    os.mkfifo(own / "pipe.png")
    (own / "null.png").symlink_to("/dev/null")
    for name in ("soft.png", "hard.png", "folder.png", "pipe.png", "null.png", "none.png"):
        with pytest.raises(OutputInvalidError):
            read_images(own, [name])
    (tmp_path / "link").symlink_to(own)
    Image.fromarray(PICTURE).save(own / "good.png")
    with pytest.raises(OutputInvalidError):
        read_images(tmp_path / "link", ["good.png"])


def test_limits(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    with pytest.raises(OutputInvalidError, match="65 images"):
        read_images(tmp_path, ["a.png"] * 65)
    with pytest.raises(OutputInvalidError, match="larger than 10 bytes"):
        read_images(tmp_path, ["a.png"], ImageLimits(file_bytes=10))
    with pytest.raises(OutputInvalidError, match="limit 100"):
        read_images(tmp_path, ["a.png"], ImageLimits(pixels=100))
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OutputInvalidError, match="larger"):
        read_file(tmp_path, "sparse.png", 1 << 20)


def test_linked_output_of_a_sandboxed_program(arena, isolating):
    """A link to a secret reaches neither the program nor, through us, its result."""
    secret = arena.root / "outside" / "secret"
    code = f"import os; os.symlink({str(secret)!r}, 'a.png'); os.mkfifo('b.png')"
    command = [sys.executable, "-I", "-S", "-c", code]
    assert run(command, arena.own, Policy(level=isolating)).ok
    for name in ("a.png", "b.png"):
        with pytest.raises(OutputInvalidError):
            read_images(arena.own, [name])
