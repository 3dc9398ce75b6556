# Bounded: 1 GB.
import os
block = b"x" * (1 << 20)
for number in range(1000):
    os.write(1 + number % 2, block)
