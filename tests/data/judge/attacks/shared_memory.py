# /dev/shm and /tmp are memory too.
import os
for folder in ("/dev/shm", "/tmp", "/dev", "/"):
    written = 0
    try:
        with open(f"{folder}/fill", "wb") as file:
            for _ in range(200):
                file.write(b"x" * (1 << 20))
                file.flush()
                written += 1
    except OSError:
        pass
    if written >= 200:
        print("ESCAPED: 200 MB in", folder)
    try:
        os.unlink(f"{folder}/fill")
    except OSError:
        pass
