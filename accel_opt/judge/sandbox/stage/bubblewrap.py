"""The command line of bubblewrap for a plan."""

from __future__ import annotations

import os

from accel_opt.judge.sandbox.stage import plan

TYPE_CHECKING = False  # typing itself takes as long to import as all the rest
if TYPE_CHECKING:
    from typing import NoReturn


def execute(spec: plan.Plan) -> NoReturn:
    """Replaces this process by bubblewrap, which starts `lockdown` inside."""
    handle = os.memfd_create("plan", 0)
    os.write(handle, plan.written(spec))
    os.lseek(handle, 0, os.SEEK_SET)
    for descriptor in (handle, spec["setup"], *spec["channel"]):
        if descriptor >= 0:
            os.set_inheritable(descriptor, True)
    stage = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")  # noqa: PTH118, PTH100, PTH120
    inner = [spec["python"], "-I", "-S", stage, "lockdown", str(handle)]
    command = ["bwrap", *arguments(spec), "--", *inner]
    os.execvpe("bwrap", command, {"PATH": os.environ["PATH"]})  # noqa: S606


def arguments(spec: plan.Plan) -> list[str]:
    """Options of bubblewrap, without the command."""
    words = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--die-with-parent", "--new-session"]
    if not spec["privileged"]:
        words.append("--unshare-user")
    words += ["--cap-drop", "ALL"]
    # `lockdown` needs them, to bar the others for good and to change its user, and drops them.
    needed = ["CAP_SETPCAP"] if spec["privileged"] else []
    needed += ["CAP_SETUID", "CAP_SETGID"] if spec["user"] is not None else []
    for name in needed:
        words += ["--cap-add", name]
    words += ["--proc", "/proc", "--dev", "/dev"]
    for path in plan.MACHINE_SETTINGS:
        words += ["--ro-bind-try", path, path]
    made = {"/"}
    for kind, path, word in spec["mounts"]:
        # Left to itself, bubblewrap shuts the folders above a mount to other users.
        for above in _above(path):
            if above not in made:
                words += ["--perms", "0755", "--dir", above]
        words += _mount(kind, path, word)
        made.update([*_above(path), path])
    # Both are memory that nobody would count.
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/"]


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(2, len(parts))]


def _mount(kind: str, path: str, word: str) -> list[str]:
    if kind == plan.READ_ONLY:
        return ["--ro-bind", path, path]
    if kind == plan.WRITABLE:
        return ["--bind", path, path]
    if kind == plan.DEVICE:
        return ["--dev-bind", path, path]
    if kind == plan.LINK:
        return ["--symlink", word, path]
    return ["--perms", "1777", "--size", word, "--tmpfs", path]
