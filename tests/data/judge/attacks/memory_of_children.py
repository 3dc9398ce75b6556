# 20 processes with 100 MB each: none is large, together they are.
import os, time
for _ in range(20):
    if os.fork() == 0:
        held = bytearray(100 << 20)
        time.sleep(60)
time.sleep(4)
print("ESCAPED: 2 GB in children", flush=True)
