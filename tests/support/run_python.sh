#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run_python.sh <repository> <script> <argument>...: runs a test that is written in Python, with
# $DETENT_TEST_PYTHON, the environment that ./dev makes, or the system's python3; 77 (skipped) when
# there is none of 3.9 or newer.
repository=$1
# Tests leave the cache of whoever runs them alone.
export DETENT_CACHE_DIR="${DETENT_CACHE_DIR-$repository/build/cache/detent}"
shift
for python in "$DETENT_TEST_PYTHON" "$repository/.venv/bin/python" python3; do
  if [ -n "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    PYTHONDONTWRITEBYTECODE=1 exec "$python" "$@"
  fi
done
echo "skipped: no python3 of version 3.9 or newer"
exit 77
