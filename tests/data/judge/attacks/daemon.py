# A daemon by the book: two forks, a session of its own, an empty environment, a copy of itself.
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        if len(sys.argv) > 2 and sys.argv[2] == "exec":
            os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)", os.getcwd()], {})
        time.sleep(120)
    os._exit(0)
os.wait()
time.sleep(0.1)
print("done")
