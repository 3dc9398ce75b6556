import json, socket, sys
about = json.loads(sys.argv[1])
def attempt(what, call):
    try:
        call()
    except OSError:
        return
    print("ESCAPED:", what, flush=True)
port = about["port"]
attempt("TCP", lambda: socket.create_connection(("127.0.0.1", port), 1))
attempt("TCP by name", lambda: socket.create_connection(("localhost", port), 1))
if about["beyond"]:                       # an address that belongs to nobody
    attempt("TCP outside", lambda: socket.create_connection((about["beyond"], 80), 0.3))
def listen():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
attempt("listening", listen)
attempt("UDP", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)))
attempt("TCP 6", lambda: socket.create_connection(("::1", port), 1))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("vsock", lambda: socket.socket(getattr(socket, "AF_VSOCK", 40), socket.SOCK_STREAM))
def local(address):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(1)
    client.connect(address)
attempt("local socket", lambda: local(about["local"]))
attempt("abstract socket", lambda: local("\0" + about["abstract"]))
a, b = socket.socketpair()              # asyncio needs these
a.send(b"x")
print("done" if b.recv(1) == b"x" else "")
