"""licenses.py TRIPLE FOLDER: copies the licences of all crates in the package, into one folder for each crate."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

A_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
ITS_LICENCE = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|COPYRIGHT|UNLICENSE)", re.IGNORECASE)


def notices(crate):
    """The licences at the top of C sources that a crate compiles: PCRE2 has them nowhere else."""
    found = {}
    for path in sorted(crate.rglob("*.[ch]")):
        for comment in A_COMMENT.findall(path.read_text(errors="replace")):
            if "Redistribution and use" in comment:
                found.setdefault(comment)
    return list(found)


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
    of_sources = notices(crate)
    if of_sources:
        (target / "NOTICE-C-sources").write_text("\n\n".join(of_sources) + "\n")
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
