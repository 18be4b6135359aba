#!/usr/bin/env python3
"""Writes vectors.txt: messages sealed by an independent reading of the C2SP
chunked encryption specification (Cobblestone-256).

    python3 -m venv /some/where && /some/where/bin/pip install cryptography
    /some/where/bin/python tests/golden/seal/make_vectors.py > tests/golden/seal/vectors.txt

Nothing of the SDK is used: HKDF-Expand and AES-GCM are those of the Python
package `cryptography`. Of sealed messages over 256 bytes the file has the first
and last 64 bytes and the SHA-256 of the whole.
"""
import hashlib
import sys

import cryptography
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CHUNK = 16384
LENGTHS = [0, 1, 15, 16, 100, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK,
           2 * CHUNK + 1, 50000, 256 * CHUNK, 257 * CHUNK + 1]
CONTEXTS = [b"", b"attune", b"with\0zero", bytes(range(256)) * 2]


def plaintext(seed, length):
    """What tests/unit/vault/seal_vectors_test.cc computes too."""
    return bytes((167 * i + 13 * (i >> 8) + 5 * seed) & 255 for i in range(length))


def seal(key, salt, context, message):
    info = b"c2sp.org/chunked-encryption@v1+" + b"AEAD_AES_256_GCM" + b"\0" + salt + context
    okm = HKDFExpand(hashes.SHA512(), 76, info).derive(key)
    aead, base, commitment = AESGCM(okm[:32]), int.from_bytes(okm[32:44], "big"), okm[44:]
    sealed = salt + commitment
    number = 0
    while True:
        chunk = message[number * CHUNK:(number + 1) * CHUNK]
        sealed += aead.encrypt((base ^ number).to_bytes(12, "big"), chunk, None)
        number += 1
        if len(chunk) < CHUNK:
            return sealed


def main():
    print(f"# Made by make_vectors.py with Python {sys.version.split()[0]}, "
          f"cryptography {cryptography.__version__}.")
    seed = 0
    for length in LENGTHS:
        for context in CONTEXTS if length in (0, 100, CHUNK) else CONTEXTS[seed % 4:][:1]:
            seed += 1
            key = hashlib.sha256(b"key %d" % seed).digest()
            salt = hashlib.sha256(b"salt %d" % seed).digest()[:24]
            sealed = seal(key, salt, context, plaintext(seed, length))
            print(f"\nseed = {seed}\nplaintext_bytes = {length}\nkey = {key.hex()}\n"
                  f"salt = {salt.hex()}\ncontext = {context.hex()}".replace("= \n", "=\n").rstrip(" "))
            print(f"sealed_bytes = {len(sealed)}\nsealed_sha256 = {hashlib.sha256(sealed).hexdigest()}")
            if len(sealed) <= 256:
                print(f"sealed = {sealed.hex()}")
            else:
                print(f"sealed_begin = {sealed[:64].hex()}\nsealed_end = {sealed[-64:].hex()}")


if __name__ == "__main__":
    main()
