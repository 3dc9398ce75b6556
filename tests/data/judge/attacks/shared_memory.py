# /dev/shm and /tmp are memory too.
# Bounded: 200 MB in each, taken away again; files of others are left alone.
import json, os, sys
name = json.loads(sys.argv[1])["name"] + "-fill"
for folder in ("/dev/shm", "/tmp", "/dev", "/"):
    written = 0
    try:
        with open(f"{folder}/{name}", "xb") as file:
            for _ in range(200):
                file.write(b"x" * (1 << 20))
                file.flush()
                written += 1
    except OSError:
        pass
    if written >= 200:
        print("ESCAPED: 200 MB in", folder)
    try:
        os.unlink(f"{folder}/{name}")
    except OSError:
        pass
