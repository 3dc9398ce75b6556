# Bounded: 400 children at most, asleep.
import os, time
made = 0
for _ in range(400):
    try:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
    except OSError:
        break
    made += 1
print(made, flush=True)
time.sleep(30)
