#!/usr/bin/env python3
"""Opens the dump at the end of docs/formats/vault.md with nothing but that page's
rules and Python's cryptography (48.0.0): from the KeyStore's item to the five bytes
of the checkpoint.

    tests/golden/vault/read_dump.py      exit 0 if every step fits
"""
import hashlib
import pathlib
import re
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

PAGE = pathlib.Path(__file__).parents[3] / "docs/formats/vault.md"


def dumps():
    found = {}
    for block in re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.S):
        title, *lines = block.splitlines()
        if not re.match(r"[0-9a-f]{4}  ", lines[0]):
            continue
        hexes = [re.match(r"[0-9a-f]{4} ((?: [0-9a-f]{2}){1,16})", line)[1] for line in lines]
        found[title.split(",")[0]] = bytes.fromhex("".join(hexes))
    return found


def unseal(key, context, message):
    salt, commitment, chunks = message[:24], message[24:56], message[56:]
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
    derived = HKDFExpand(hashes.SHA512(), 76, info).derive(key)
    assert derived[44:] == commitment, "commitment"
    nonce = int.from_bytes(derived[32:44], "big")
    plain = b""
    for index, at in enumerate(range(0, len(chunks), 16400)):
        plain += AESGCM(derived[:32]).decrypt((nonce ^ index).to_bytes(12, "big"),
                                              chunks[at:at + 16400], None)
    return plain


def context(role, vault, generation, index, adapter=b""):
    return (b"attune/vault" + struct.pack("<HB", 1, role) + vault + bytes(32)
            + struct.pack("<QQB", generation, index, len(adapter)) + adapter)


def main():
    dump = dumps()
    (name,) = [title for title in dump if title.startswith("KeyStore item")]
    item = dump[name]
    vault = bytes.fromhex(name.split("-")[1])
    assert hashlib.sha256(item[:92]).digest() == item[92:], "digest of the item"
    root = item[28:60]

    def derive(label, size=32):
        return HKDF(hashes.SHA512(), size, vault, label).derive(root)

    file = dump["manifest"]
    header = file[:64]
    assert header[12:28] == vault and header[28:44] == derive(b"attune/v1/key id", 16)
    assert hashlib.sha256(header[:52]).digest()[:12] == header[52:], "digest of the header"
    generation = struct.unpack("<Q", header[44:52])[0]
    plain = unseal(derive(b"attune/v1/manifest"), context(1, vault, generation, 0) + header,
                   file[64:])
    assert plain == dump["manifest (opened)"], "manifest"

    slice_id, role = struct.unpack("<QB", plain[30:39])
    slice_key = unseal(derive(b"attune/v1/checkpoints"), context(5, vault, role, slice_id),
                       plain[39:143])
    (title,) = [title for title in dump if title.endswith(".checkpoint")]
    file_id = int(title.split(".")[0], 16)
    data = dump[title]
    assert data[:32] == b"AttuneVF" + struct.pack("<HB5xQQ", 1, 2, file_id, slice_id)
    content = unseal(slice_key, context(2, vault, file_id, 0, b"default"), data[32:])
    assert content == b"hello", content
    print(f"{len(dump)} dumps, all as the page says: {content.decode()}")


main()
