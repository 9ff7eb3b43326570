"""Ask pip-audit for known vulnerabilities of the installed packages; say so and skip where its data are out of reach.

    python scripts/audit.py [OPTIONS OF PIP-AUDIT]

One package is asked for first: behind a mirror, which has packages but no advisories, pip-audit would otherwise skip
them one by one and end as if all were well. Exit code 1 for vulnerabilities, else 0.
"""

import importlib.metadata
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def main(options: list[str]) -> int:
    """Print one line a vulnerability, then what was asked for."""
    installed = sorted(
        f"{distribution.name}=={distribution.version}"
        for distribution in importlib.metadata.distributions()
        if distribution.name != "keras-sister"
    )
    if not audited(installed[:1], options):
        print("Skipped: the data of known vulnerabilities cannot be reached from here.")
        return 0
    packages = audited(installed, options)
    found = [(package, one) for package in packages for one in package["vulns"]]
    for package, one in found:
        print(f"{package['name']} {package['version']}: {one['id']}; mended in {', '.join(one['fix_versions']) or '?'}")
    unknown = len(set(installed)) - len(packages)
    noun = "vulnerability" if len(found) == 1 else "vulnerabilities"
    print(f"{len(found)} known {noun} in {len(packages)} packages; {unknown} more could not be looked up.")
    return 1 if found else 0


def audited(requirements: list[str], options: list[str]) -> list[dict[str, Any]]:
    """What pip-audit knows of exact versions; packages that it has no data of are left out."""
    with tempfile.TemporaryDirectory() as scratch:
        listed, report = Path(scratch) / "installed.txt", Path(scratch) / "report.json"
        listed.write_text("\n".join(requirements))
        command = [sys.executable, "-m", "pip_audit", "--requirement", listed, "--no-deps", "--disable-pip"]
        command += ["--progress-spinner", "off", "--format", "json", "--output", report, *options]
        subprocess.run([str(word) for word in command], capture_output=True)  # noqa: S603 - no shell
        if not report.exists():  # no connection, for example
            return []
        return [package for package in json.loads(report.read_text())["dependencies"] if "vulns" in package]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
