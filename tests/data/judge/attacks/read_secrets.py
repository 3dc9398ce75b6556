import json, os, sys
about = json.loads(sys.argv[1])
canary = about["yranac"][::-1]
def look(path):
    try:
        with open(path, "rb") as file:
            if canary.encode() in file.read(1 << 20):
                print("ESCAPED: secret in", path, flush=True)
    except OSError:
        pass
if canary in json.dumps(dict(os.environ)):
    print("ESCAPED: secret in the environment")
for name in os.environ:
    if "TOKEN" in name or "SECRET" in name or "KEY" in name:
        print("ESCAPED: variable", name)
look(about["home"] + "/.ssh/id_ed25519")
look(os.path.expanduser("~/.ssh/id_ed25519"))
look(about["outside"] + "/secret")
for pid in (os.getppid(), about["parent"], about["victim"]):
    look(f"/proc/{pid}/environ")
    look(f"/proc/{pid}/root{about['outside']}/secret")
    look(f"/proc/{pid}/cwd/secret")
for path in about["private"]:           # only opened
    try:
        open(path, "rb").close()
        print("ESCAPED: opened", path)
    except OSError:
        pass
try:
    if os.listdir(about["home"]):
        print("ESCAPED: listed", about["home"])
except OSError:
    pass
print("done")
