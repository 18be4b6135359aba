#!/usr/bin/env python3
"""Picks known answers of NIST's CAVP from the Python package
`cryptography_vectors`, which carries the files as NIST published them.

    pip install cryptography-vectors
    tests/golden/crypto/make_vectors.py tests/golden/crypto

AES-256-GCM: 96-bit IV, no additional data, 128-bit tag; five of each length from
gcmEncryptExtIV256.rsp and ten from gcmDecrypt256.rsp, of which several must fail.
SHA-256: from SHA256ShortMsg.rsp and SHA256LongMsg.rsp.
"""
import importlib.metadata
import importlib.resources
import pathlib
import sys

VERSION = importlib.metadata.version("cryptography_vectors")
ROOT = importlib.resources.files("cryptography_vectors")


def records(path):
    """Yields (section, fields) of a CAVP response file."""
    section, fields = {}, {}
    for line in (ROOT / path).read_text().splitlines() + [""]:
        line = line.strip()
        if line.startswith("["):
            name, _, value = line.strip("[]").partition("=")
            section[name.strip()] = value.strip()
        elif line == "" and fields:
            yield dict(section), fields
            fields = {}
        elif line == "FAIL":
            fields["FAIL"] = ""
        elif "=" in line:
            name, _, value = line.partition("=")
            fields[name.strip()] = value.strip()


def write(path, source, rows):
    text = f"# NIST CAVP, {source}; by make_vectors.py\n# from cryptography_vectors {VERSION}.\n"
    for row in rows:
        text += "\n" + "".join(f"{name} = {value}".rstrip() + "\n" for name, value in row)
    path.write_text(text)


def gcm(path, each):
    taken = {}
    for section, fields in records(path):
        if (section["IVlen"], section["AADlen"], section["Taglen"]) != ("96", "0", "128"):
            continue
        taken[section["PTlen"]] = taken.get(section["PTlen"], 0) + 1
        if taken[section["PTlen"]] > each:
            continue
        yield [("count", fields["Count"]), ("key", fields["Key"]), ("nonce", fields["IV"]),
               ("sealed", fields["CT"] + fields["Tag"]),
               ("outcome", "fails" if "FAIL" in fields else "opens"),
               ("plaintext", fields.get("PT", ""))]


def sha256(path, keep):
    for _, fields in records(path):
        if "Len" in fields and keep(int(fields["Len"])):
            message = fields["Msg"] if fields["Len"] != "0" else ""
            yield [("message", message), ("digest", fields["MD"])]


def main(folder):
    gcm_folder = "ciphers/AES/GCM/"
    write(folder / "aes256gcm_seal.txt", "gcmEncryptExtIV256.rsp (CAVS 14.0)",
          gcm(gcm_folder + "gcmEncryptExtIV256.rsp", 5))
    write(folder / "aes256gcm_open.txt", "gcmDecrypt256.rsp (CAVS 14.0)",
          gcm(gcm_folder + "gcmDecrypt256.rsp", 10))
    hashes = "hashes/SHA2/SHA256"
    write(folder / "sha256.txt", "SHA256ShortMsg.rsp and SHA256LongMsg.rsp (CAVS 11.0)",
          [*sha256(hashes + "ShortMsg.rsp", lambda bits: bits in (0, 8, 440, 448, 504, 512)),
           *sha256(hashes + "LongMsg.rsp", lambda bits: bits < 5000)])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
