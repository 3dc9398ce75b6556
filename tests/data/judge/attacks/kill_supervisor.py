import os, signal, time
if os.getppid() > 1 or os.getpid() < 50:   # never the machine's first process
    os.kill(os.getppid(), signal.SIGKILL)
time.sleep(60)
