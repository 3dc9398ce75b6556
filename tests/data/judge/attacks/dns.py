import socket
for name in ("example.com", "host.invalid", "example.org"):
    try:
        print("ESCAPED:", socket.getaddrinfo(name, 80))
    except OSError:
        pass
try:
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(query, ("127.0.0.1", 53))
    print("ESCAPED: a query was sent")
except OSError:
    pass
print("done")
