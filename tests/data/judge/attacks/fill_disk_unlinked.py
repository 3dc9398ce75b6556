# The same in files that have no name any more.
import os, time
held = []
for number in range(100):
    held.append(open("file", "wb"))
    os.unlink("file")
    held[-1].write(b"x" * (15 << 20))
    time.sleep(0.02)
print("ESCAPED: 1.5 GB")
