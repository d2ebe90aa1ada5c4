"""Says whether a kustomization names every manifest beside it, and nothing that isn't there.

Usage: lint_kustomization.py FOLDER. Files called *.example.yaml are for people; kinds of operators lie in folders of
their own.
"""

import sys
from pathlib import Path

import yaml


def main(folder: Path) -> int:
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    generated = [name for made in kustomization.get("configMapGenerator", []) for name in made["files"]]
    named = set(kustomization["resources"] + generated)
    there = {file.name for file in folder.glob("*.yaml") if not file.name.endswith(".example.yaml")}
    there.discard("kustomization.yaml")
    for name in sorted(named - there):
        print(f"{folder}/kustomization.yaml names {name}, which isn't there", file=sys.stderr)
    for name in sorted(there - named):
        print(f"{folder}/kustomization.yaml doesn't name {name}", file=sys.stderr)
    return 0 if named == there else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
