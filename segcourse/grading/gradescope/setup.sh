#!/usr/bin/env bash
# Gradescope runs this as root, once, when it builds the autograder's image.
set -euo pipefail
cd /autograder

export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends python3-pip
# newer systems ask for this variable; older ones ignore it
PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install uv

# not in root's home folder, which the user of students' code cannot read
export UV_PYTHON_INSTALL_DIR=/opt/python
uv venv --python "$(cat source/python-version)" venv
uv pip install --python venv/bin/python --torch-backend cpu --requirement source/requirements.txt
