# Bounded: two minutes, should nothing else end it.
import time
end = time.monotonic() + 120
while time.monotonic() < end:
    pass
