"""licenses.py TRIPLE FOLDER: copies the licences of all crates in the package, into one folder for each crate."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

ITS_LICENCE = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|COPYRIGHT|UNLICENSE)", re.IGNORECASE)


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


triple, folder = sys.argv[1], pathlib.Path(sys.argv[2])
linked = set(
    output(
        "cargo", "tree", "--workspace", "--locked", "--target", triple, "--edges", "normal,no-proc-macro",
        "--prefix", "none", "--format", "{p}",
    ).splitlines()
)
linked = {tuple(line.split()[:2]) for line in linked}
metadata = json.loads(output("cargo", "metadata", "--locked", "--format-version", "1"))

for package in metadata["packages"]:
    if (package["name"], "v" + package["version"]) not in linked or package["source"] is None:
        continue
    crate = pathlib.Path(package["manifest_path"]).parent
    files = [path for path in crate.iterdir() if path.is_file() and ITS_LICENCE.match(path.name)]
    target = folder / f"{package['name']}-{package['version']}"
    target.mkdir(parents=True)
    for path in files:
        shutil.copyfile(path, target / path.name)
    if not files:
        # Without a file, its manifest names the licence.
        authors = ", ".join(package["authors"])
        (target / "LICENSE").write_text(f"{package['license']}\n{authors}\n")

# Rust's standard library. Not every installation of Rust has the file.
sysroot = pathlib.Path(output("rustc", "--print", "sysroot").strip())
notice = sysroot / "share/doc/rust/COPYRIGHT-library.html"
if notice.exists():
    target = folder / "rust-std"
    target.mkdir()
    shutil.copyfile(notice, target / notice.name)
