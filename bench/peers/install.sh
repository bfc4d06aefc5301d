#!/usr/bin/env bash
# Installs what `make bench-peers` compares with: the C stores' libraries with apt-get (as root, or with `sudo -n`), the
# Python packages into a virtual environment BUILD/peers-venv. What cannot be installed is said in a line, and left out
# of the comparison; it is never an error.
#
#   install.sh BUILD
set -u
build=${1:?usage: install.sh BUILD}
venv=$build/peers-venv
log=$build/peers-install.log
mkdir -p "$build"
: > "$log"

has_header() { echo "#include <$1>" | "${CC:-cc}" -E -x c - > /dev/null 2>&1; }

missing=()
want_library() { # header, package
    has_header "$1" || missing+=("$2")
}
find_missing() {
    missing=()
    want_library sqlite3.h libsqlite3-dev
    want_library lmdb.h liblmdb-dev
    want_library leveldb/c.h libleveldb-dev
    want_library rocksdb/c.h librocksdb-dev
    /usr/bin/env python3 -c 'import ensurepip, venv' 2> /dev/null || missing+=(python3-venv)
}

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" \
        < /dev/null >> "$log" 2>&1
}
install_each() { # one that cannot be had must not keep the others away
    local package
    for package in "${missing[@]}"; do apt install -y --no-install-recommends "$package" || true; done
}

as_root=()
find_missing
if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get > /dev/null; then
        echo "skipped (no apt-get here): ${missing[*]}"
    elif [ "$(id -u)" != 0 ] && ! sudo -n true 2> /dev/null; then
        echo "skipped: as root, run:  apt-get install -y --no-install-recommends ${missing[*]}"
    else
        [ "$(id -u)" = 0 ] || as_root=(sudo -n)
        echo "installing with apt-get: ${missing[*]}"
        install_each
        find_missing
        if [ ${#missing[@]} -gt 0 ]; then
            apt update
            install_each
            find_missing
        fi
        [ ${#missing[@]} -eq 0 ] || echo "skipped (apt-get could not install): ${missing[*]}, see $log"
    fi
fi

if [ ! -x "$venv/bin/python" ] && ! python3 -m venv "$venv" >> "$log" 2>&1; then
    rm -rf "$venv"
    echo "skipped: the Python peers: python3 -m venv does not work here, see $log"
    exit 0
fi
for package in numpy pcodec pyarrow duckdb tensorboardX crc32c tensorboard wandb mlflow aim trackio; do
    "$venv/bin/python" -c 'import importlib.metadata as m, sys; m.version(sys.argv[1])' "$package" 2> /dev/null &&
        continue
    echo "installing with pip: $package"
    "$venv/bin/pip" install -q --disable-pip-version-check --timeout 30 "$package" >> "$log" 2>&1 < /dev/null ||
        echo "skipped (pip could not install): $package, see $log"
done
exit 0
