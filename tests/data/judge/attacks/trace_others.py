import ctypes, json, os, sys
about = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
for pid in (about["victim"], about["parent"], os.getppid()):
    # Attaching stops a process: only the one that was made for it.
    if pid == about["victim"] and libc.ptrace(16, pid, 0, 0) == 0:
        print("ESCAPED: attached to", pid, flush=True)
        libc.ptrace(17, pid, 0, 0)
    if libc.ptrace(0x4206, pid, 0, 0) == 0:
        print("ESCAPED: seized", pid, flush=True)
    for name in ("mem", "environ", "maps", "root/etc/passwd", "cwd/."):
        try:
            open(f"/proc/{pid}/{name}", "rb").read(1)
            if pid != os.getppid() or name == "mem":
                print("ESCAPED: opened", pid, name, flush=True)
        except (OSError, IsADirectoryError):
            pass
    fd = libc.syscall(434, pid, 0)
    if fd >= 0 and libc.syscall(438, fd, 0, 0) >= 0:
        print("ESCAPED: took a descriptor of", pid, flush=True)
print("done")
