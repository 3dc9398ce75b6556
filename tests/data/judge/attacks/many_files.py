import os, time
for number in range(20000):
    os.mkdir(f"d{number}") if number % 2 else open(f"f{number}", "w").close()
    if number % 500 == 0:
        time.sleep(0.02)
print("ESCAPED: 20,000 files")
