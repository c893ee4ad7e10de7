#!/bin/sh
# Uses an installed adiabat as a user would: sh scripts/try_wheel.sh VENV FOLDER
set -eu
venv=$1
folder=$2
mkdir -p "$folder"
cd "$folder"
PATH=$venv/bin:$PATH

python -c 'import adiabat, sys; assert adiabat.__file__.startswith(sys.prefix), adiabat.__file__'
adiabat --version
adiabat info --json >info.json
