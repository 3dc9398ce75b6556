# Bounded: what it makes in system folders is empty and taken away at once, and the machine's
# settings are only opened, so that a hole in the sandbox, or none around it, does no harm.
import json, os, sys
about = json.loads(sys.argv[1])
def attempt(what, call):
    try:
        call()
    except OSError:
        return
    print("ESCAPED:", what, flush=True)
def write(path):
    with open(path, "w") as file:
        file.write("x")
outside, name = about["outside"], about["name"]
def make_and_remove(path):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    os.unlink(path)
for folder in about["system"]:
    attempt(f"wrote in {folder}", lambda: make_and_remove(f"{folder}/{name}"))
for folder in (outside, about["home"]):
    attempt(f"wrote in {folder}", lambda: write(f"{folder}/{name}"))
attempt("overwrote", lambda: write(f"{outside}/kept"))
attempt("truncated", lambda: os.truncate(f"{outside}/kept", 0))
attempt("removed", lambda: os.unlink(f"{outside}/kept"))
attempt("renamed", lambda: os.rename(f"{outside}/kept", f"{outside}/other"))
attempt("moved in", lambda: os.rename(f"{outside}/kept", "taken"))
attempt("made a folder", lambda: os.mkdir(f"{outside}/folder"))
attempt("hard link", lambda: os.link(f"{outside}/kept", "hard"))
os.symlink(f"{outside}/kept", "soft")
attempt("through a link", lambda: write("soft"))
os.symlink(outside, "way")
attempt("through a linked folder", lambda: write(f"way/{name}"))
kept = f"{outside}/kept"
attempt("mode", lambda: os.chmod(kept, 0o777))
attempt("mode of a folder", lambda: os.chmod(outside, 0o777))
attempt("owner", lambda: os.chown(kept, os.getuid(), os.getgid()))
attempt("time", lambda: os.utime(kept, (1, 1)))
attempt("attribute", lambda: os.setxattr(kept, "user.x", b"x"))
for path in about["settings"]:
    attempt(f"opened {path}", lambda: os.close(os.open(path, os.O_WRONLY)))
try:
    write(os.path.dirname(os.getcwd()) + "/" + name)  # in its own /tmp it may
except OSError:
    pass
with open("inside", "w") as file:       # its own folder stays usable
    file.write("x")
print("done")
