"""The `attune` command for the proofs that are scripts: how to start it on the
keyboard sample, and what must be so of a vault whatever happened."""
import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BASE = ROOT / "samples/keyboard/base"
HISTORY = ROOT / "samples/keyboard/history.tsv"
# Of the sample's own months; the vault would drop them for their age.
KEEP = ["--keep-days", "0"]

# What a vault directory may hold when nothing is being written.
VAULT_FILE = re.compile(r"manifest|manifest\.copy|lock|quarantine|"
                        r"[0-9a-f]{16}\.(checkpoint|adapter|examples)")


class Failed(Exception):
    """What was to be shown is not so."""


def command_path():
    path = os.environ.get("ATTUNE", str(ROOT / "build/release/bin/attune"))
    if not os.access(path, os.X_OK):
        raise Failed(f"no command at {path}; set ATTUNE, or scripts/build")
    return str(pathlib.Path(path).resolve())


class Vault:
    """A vault with its keys, both below `folder`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.directory = self.folder / "vault"
        self.keys = self.folder / "keys"

    def arguments(self, *words, passphrase_file=None):
        """`attune words...` on this vault."""
        out = [command_path(), *map(str, words), "--vault", str(self.directory),
               "--keys", str(self.keys)]
        if passphrase_file:
            out += ["--passphrase-file", str(passphrase_file)]
        return out

    def call(self, *words, expect=0, **options):
        """Runs it; returns what it wrote to stdout."""
        done = subprocess.run(self.arguments(*words), capture_output=True, text=True, **options)
        if done.returncode != expect:
            raise Failed(f"attune {' '.join(map(str, words[:2]))}: exit code {done.returncode}, "
                         f"not {expect}: {done.stderr.strip()}")
        return done.stdout

    def status(self):
        return json.loads(self.call("vault", "status", "--json"))

    def check_rested(self):
        """Nothing is damaged, and nothing lies about that belongs to nobody."""
        self.call("vault", "verify")
        status = self.status()
        if status["quarantine"]:
            raise Failed(f"in quarantine: {status['quarantine']}")
        names = sorted(p.name for p in self.directory.iterdir())
        foreign = [n for n in names if not VAULT_FILE.fullmatch(n)]
        if foreign:
            raise Failed(f"left behind in the vault: {foreign}")
        foreign = [p.name for p in self.keys.iterdir() if ".tmp" in p.name]
        if foreign:
            raise Failed(f"left behind beside the keys: {foreign}")
        sealed = {kind: sum(n.endswith("." + kind) for n in names)
                  for kind in ("checkpoint", "adapter")}
        if sealed["checkpoint"] != status["checkpoints"]:
            raise Failed(f"{sealed['checkpoint']} checkpoint files, "
                         f"{status['checkpoints']} in the manifest")
        if sealed["adapter"] != len(status["generations"]):
            raise Failed(f"{sealed['adapter']} adapter files, "
                         f"{len(status['generations'])} in the manifest")
        return status


def training_arguments(steps, checkpoint_every):
    """A run on the sample whose steps are as small as they get."""
    return ["run", "--model", BASE, "--rank", 2, "--targets", "q_proj,v_proj", "--batch", 1,
            "--seq", 16, "--steps", steps, "--checkpoint-every", checkpoint_every,
            "--evaluate-every", -1, "--held-out-examples", 10, "--workers", 1, "--lr", "4e-3",
            *KEEP]
