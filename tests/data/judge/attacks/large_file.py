try:
    with open("large", "wb") as file:
        for _ in range(100):
            file.write(b"x" * (1 << 20))
            file.flush()
    print("ESCAPED: 100 MB in a file")
except OSError:
    print("refused")
