# Bounded: 60 MB in folders whose path is too long to be looked into.
import os, time
for number in range(400):
    os.mkdir("folder" * 8)
    os.chdir("folder" * 8)
for number in range(4):
    with open(f"file{number}", "wb") as file:
        file.write(b"x" * (15 << 20))
time.sleep(4)
print("ESCAPED: what nobody counts")
