# Children fork in turn: nine levels, 512 processes at most.
import os, time
for _ in range(9):
    try:
        os.fork()
    except OSError:
        break
time.sleep(60)
