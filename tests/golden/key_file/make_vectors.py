#!/usr/bin/env python3
"""Writes vectors.txt: key files made by an independent reading of
docs/formats/key-file.md, with hashlib and the Python package `cryptography`.

    tests/golden/key_file/make_vectors.py > tests/golden/key_file/vectors.txt
"""
import hashlib
import pathlib
import struct
import sys

import cryptography

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "seal"))
from make_vectors import seal  # noqa: E402


def key_file(name, secret, passphrase, log2_n, r, p):
    if not passphrase:
        head = struct.pack("<8sHBBIII32s", b"attn.key", 1, 0, 0, 0, 0, len(secret), bytes(32))
        body = secret
    else:
        salt = hashlib.sha256(b"salt of " + name).digest()
        sealed_bytes = 24 + 32 + len(secret) + 16
        head = struct.pack("<8sHBBIII32s", b"attn.key", 1, 1, log2_n, r, p, sealed_bytes, salt)
        key = hashlib.scrypt(passphrase, salt=salt, n=1 << log2_n, r=r, p=p, dklen=32,
                             maxmem=1 << 27)
        body = seal(key, bytes(range(24)), b"attune/key-file" + head + name, secret)
    return head + body + hashlib.sha256(name + b"\0" + head + body).digest()


def main():
    print(f"# Made by make_vectors.py with Python {sys.version.split()[0]}, "
          f"cryptography {cryptography.__version__}.")
    for name, secret, passphrase, cost in [
            (b"root", bytes(range(32)), b"", (0, 0, 0)),
            (b"root", bytes(range(32)), b"open, sesame", (4, 8, 1)),
            (b"a-longer_name.1", b"x", b"\xc3\xa9t\xc3\xa9", (6, 2, 3)),
            (b"large", bytes(i % 251 for i in range(4096)), b"open, sesame", (5, 1, 1))]:
        made = key_file(name, secret, passphrase, *cost)
        print(f"\nname = {name.decode()}\nsecret = {secret.hex()}\n"
              + f"passphrase = {passphrase.hex()}".rstrip() + f"\nfile = {made.hex()}")


if __name__ == "__main__":
    main()
