# 2 GB in memory files, which belong to no process's resident size.
import os, time
held = []
try:
    for _ in range(70):
        held.append(os.memfd_create("x"))
        for _ in range(30):
            os.write(held[-1], b"x" * (1 << 20))
        time.sleep(0.02)
    time.sleep(3)
    print("ESCAPED: 2 GB in memory files", flush=True)
except OSError as error:
    print("refused", error)
