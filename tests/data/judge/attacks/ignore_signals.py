# Bounded: two minutes.
import os, signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
if os.fork() == 0:
    os.setsid()
end = time.monotonic() + 120
while time.monotonic() < end:
    pass
