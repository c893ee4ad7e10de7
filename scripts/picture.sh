#!/bin/sh
# Takes the README's picture of a report with headless Chromium: sh scripts/picture.sh demo/report.html docs/images/report.png
set -eu
report=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
mkdir -p "$(dirname "$2")"
chromium --headless --no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --hide-scrollbars \
    --window-size=1280,1280 --virtual-time-budget=8000 --screenshot="$2" "file://$report" 2>/dev/null
