# Bounded: 1.5 GB in files of 15 MB.
import time
for number in range(100):
    with open(f"file{number}", "wb") as file:
        file.write(b"x" * (15 << 20))
    time.sleep(0.02)
print("ESCAPED: 1.5 GB")
