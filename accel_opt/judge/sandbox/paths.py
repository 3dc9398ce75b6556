"""What of the file system a program sees."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from accel_opt.core.errors import InputError
from accel_opt.judge.sandbox.stage import plan

Mount = tuple[str, str, str]

_SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/sys/devices/system",
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives",
    "/etc/localtime", "/etc/fonts", "/etc/nsswitch.conf", "/etc/ssl/openssl.cnf", "/etc/ssl/certs",
)  # fmt: skip
_FOR_GPU = ("/sys", "/etc/OpenCL", "/etc/vulkan", "/etc/nvidia", "/opt/nvidia")
PACKAGE = Path(__file__).parents[2]
# The hub keeps the person's tokens beside its cache.
_TOKEN_FILES = ("token", "stored_tokens")


def gpu_devices() -> tuple[Path, ...]:
    """The device nodes of NVIDIA GPUs that exist here."""
    found = [*Path("/dev").glob("nvidia*"), *Path("/dev").glob("nvidia-caps/*")]
    return tuple(sorted(p for p in found if p.is_char_device()))


def mounts(
    folder: Path, read_only: Iterable[Path], devices: Iterable[Path], temporary: int
) -> list[Mount]:
    """All mounts in the order in which they must be made.

    Args:
        folder: The program's own folder.
        read_only: What the caller wants seen beside the system and Python.
        devices: Device nodes.
        temporary: Bytes of /tmp and of /dev/shm.

    Raises:
        InputError: A path does not exist, or would show the person's home or tokens.
    """
    devices = list(devices)
    wanted = [Path(p) for p in (*_SYSTEM, *(_FOR_GPU if devices else ()))]
    wanted += [Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_exec_prefix), PACKAGE]
    wanted += [_checked(path) for path in read_only]
    links: dict[str, str] = {}
    shown = {_follow(path, links) for path in wanted if path.exists()}
    own = _follow(_checked(folder), links)
    tops = [p for p in shown if not any(p != q and _below(p, q) for q in shown)]
    found = [(plan.READ_ONLY, p, "") for p in tops if p != own]
    found.append((plan.WRITABLE, own, ""))
    found += [(plan.DEVICE, str(p), "") for p in devices if p.exists()]
    found += [
        (plan.LINK, p, target)
        for p, target in links.items()
        if not any(_below(str(Path(p).parent), q) for q in (*tops, own))
    ]
    found.sort(key=lambda mount: mount[1].count("/"))
    size = str(temporary)
    return [(plan.TMPFS, "/tmp", size), (plan.TMPFS, "/dev/shm", size), *found]  # noqa: S108


def _checked(path: Path) -> Path:
    path = Path(path).absolute()
    if not path.exists():
        raise InputError(f"{path} does not exist and cannot be shown to a program")
    real = path.resolve()
    for home in _homes():
        if home.is_relative_to(real):
            raise InputError(f"{path} holds the home folder {home}; name the folder needed in it")
    held = [name for name in _TOKEN_FILES if (real / name).is_file()]
    if held:
        raise InputError(f"{path} holds the file {held[0]!r}; name the folder 'hub' in it instead")
    return path


def _homes() -> Iterator[Path]:
    import pwd

    if named := os.environ.get("HOME"):
        yield Path(named).resolve()
    # Containers have users without an entry.
    with contextlib.suppress(KeyError):
        yield Path(pwd.getpwuid(os.getuid()).pw_dir).resolve()


def _follow(path: Path, links: dict[str, str]) -> str:
    """The path without symbolic links; those met on the way are noted in `links`."""
    current = Path("/")
    for part in path.absolute().parts[1:]:
        step = current / part
        if step.is_symlink():
            links[str(step)] = str(step.resolve())
        current = step.resolve()
    return str(current)


def _below(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)
