import json, os, resource, signal, sys
about = json.loads(sys.argv[1])
def attempt(what, call):
    try:
        call()
    except (OSError, ValueError):
        return
    print("ESCAPED:", what, flush=True)
victim = about["victim"]                # a process of the test's, not of the sandbox
attempt("signal", lambda: os.kill(victim, signal.SIGKILL))
attempt("group", lambda: os.killpg(victim, signal.SIGKILL))
attempt("pidfd", lambda: signal.pidfd_send_signal(os.pidfd_open(victim), signal.SIGKILL))
attempt("limit", lambda: resource.prlimit(victim, resource.RLIMIT_CPU, (1, 1)))
attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, victim, 19))
for pid in (os.getppid(), about["parent"]):
    if pid > 1:
        try:
            os.kill(pid, 0)                # asks for the right, sends nothing
            print("ESCAPED: signal to a parent", pid)
        except OSError:
            pass
print("done")
