import os, time
for fd in range(64):
    try:
        os.close(fd)
    except OSError:
        pass
time.sleep(120)
