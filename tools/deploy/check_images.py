"""Checks the base images in deploy/Dockerfile and the images in deploy/compose.yaml: each must name a version. Those
without a digest are listed, because a registry can put another image behind their tag. Usage, in the root of a checkout:

    check_images.py [--require-digests]    with the option, an image without a digest is an error
"""

import pathlib
import re
import sys

dockerfile = pathlib.Path("deploy/Dockerfile").read_text()
compose = pathlib.Path("deploy/compose.yaml").read_text()
arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", dockerfile, re.MULTILINE))
stages = re.findall(r"^FROM .* AS (\S+)$", dockerfile, re.MULTILINE)
bases = [
    re.sub(r"\$\{(\w+)\}", lambda argument: arguments[argument[1]], base)
    for base in re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    if base not in stages
]
images = sorted({*bases, *re.findall(r"^\s+image: (\S+)$", compose, re.MULTILINE)} - {"padan:local"})
if len(bases) != 2 or len(images) <= len(bases):
    sys.exit(f"images: expected two base images and those of the compose file, found {images}")

wrong = [image for image in images if not re.search(r":[\w.-]*(\d|bookworm)|@sha256:", image)]
if wrong:
    sys.exit(f"images: {', '.join(wrong)} names no version")
wrong = [image for image in images if "@" in image and not re.search(r"@sha256:[0-9a-f]{64}$", image)]
if wrong:
    sys.exit(f"images: {', '.join(wrong)} has no valid digest")
by_tag = [image for image in images if "@" not in image]
if by_tag:
    print(f"images: named by tag, without a digest: {', '.join(by_tag)}", file=sys.stderr)
sys.exit(bool(by_tag) and "--require-digests" in sys.argv[1:])
