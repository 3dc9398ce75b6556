import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for what, flag in (("user", 0x10000000), ("mount", 0x20000), ("network", 0x40000000)):
    if libc.unshare(flag) == 0:
        print("ESCAPED: new namespace", what)
for target in ("/usr", "/") if os.getpid() < 50 else ():   # where they are mounts of its own
    if libc.mount(None, target.encode(), None, 32 | 4096, None) == 0:
        print("ESCAPED: remounted", target)
if libc.mount(b"tmpfs", os.getcwd().encode(), b"tmpfs", 0, None) == 0:
    print("ESCAPED: mounted")
    libc.umount(os.getcwd().encode())
for number, what in ((250, "keyctl"), (321, "bpf"), (425, "io_uring"), (298, "perf"), (161, "chroot")):
    ctypes.set_errno(0)
    if libc.syscall(number, 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() not in (1, 38):
        print("ESCAPED: system call", what, ctypes.get_errno())
with open("/proc/self/status") as file:
    status = dict(line.split(":", 1) for line in file)
if int(status["CapEff"], 16) or int(status["CapPrm"], 16) or (os.getuid() == 0 and int(status["CapBnd"], 16) & 0x200000):
    print("ESCAPED: capabilities", status["CapEff"], status["CapBnd"])
if status["NoNewPrivs"].strip() != "1":
    print("ESCAPED: new privileges")
try:
    os.setuid(0)
    if os.getuid() != int(status["Uid"].split()[0]):
        print("ESCAPED: root")
except OSError:
    pass
try:
    os.mknod("node", 0o600 | 0o060000, os.makedev(8, 0))
    print("ESCAPED: device node")
except OSError:
    pass
print("done")
