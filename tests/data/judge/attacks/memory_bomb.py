# Bounded: 3 GB.
import time
held = []
for _ in range(48):
    held.append(bytearray(64 << 20))
print("ESCAPED: 3 GB", flush=True)
time.sleep(5)
