#!/bin/sh
# Uses an installed adiabat as a user would, from labels to dynamics: sh scripts/try_wheel.sh VENV FOLDER
set -eu
venv=$1
folder=$2
mkdir -p "$folder"
cd "$folder"
PATH=$venv/bin:$PATH

python -c 'import adiabat, sys; assert adiabat.__file__.startswith(sys.prefix), adiabat.__file__'
adiabat --version
adiabat info --json >info.json
python - <<'EOF'
import ase.build, ase.io, numpy as np

random = np.random.default_rng(0)
water = ase.build.molecule("H2O")
frames = [water.copy() for _ in range(40)]
for frame in frames:
    frame.positions += random.normal(scale=0.05, size=(3, 3))
ase.io.write("water.xyz", water)
ase.io.write("structures.xyz", frames)
EOF
adiabat label structures.xyz --out data.xyz
adiabat train --data data.xyz --steps 200 --set model.n_interactions=1 --set model.channels=8 --out run
adiabat evaluate run data.xyz --json >errors.json
adiabat md run water.xyz --ensemble nve --steps 100 --out nve
adiabat analyze nve --json >dynamics.json
test -s run/report.html && test -s nve/report.html && test -s nve/trajectory.h5
