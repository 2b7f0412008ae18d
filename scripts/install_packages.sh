#!/bin/sh
# Installs the Debian packages that a target needs, and only those that are missing.
#
#   scripts/install_packages.sh build [test] [bench] [fuzz] [format] [isa] [schema]
#
# Says what it is about to install. Without root and without sudo it names the packages and stops.
set -eu

wanted=""
for group in "$@"; do
    case $group in
        build) wanted="$wanted g++ cmake ninja-build pkg-config libfmt-dev nlohmann-json3-dev libcli11-dev libmd4c-dev libutf8proc-dev libxxhash-dev libboost1.81-dev libssl-dev libspdlog-dev" ;;
        test) wanted="$wanted libgtest-dev mandoc" ;;
        bench) wanted="$wanted libgtest-dev libbenchmark-dev" ;;
        fuzz) wanted="$wanted clang-14 libclang-rt-14-dev" ;;
        isa) wanted="$wanted googletest qemu-user g++-aarch64-linux-gnu" ;;
        schema) # Node may come from elsewhere.
            command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || wanted="$wanted nodejs npm" ;;
        format) wanted="$wanted clang-format-14" ;;
        *) echo "install_packages: unknown group $group" >&2; exit 2 ;;
    esac
done

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is no Debian system, so nothing was installed. Facet needs what Debian calls:" >&2
    echo " $wanted" >&2
    exit 0
fi

missing=""
for package in $wanted; do
    state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1; then
    as_root="sudo"
else
    echo "Facet needs these Debian packages, and installing them takes root or sudo:" >&2
    echo " $missing" >&2
    echo "Have them installed (apt-get install$missing), then run this again." >&2
    exit 1
fi

echo "Installing Debian packages:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
    if ! DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        echo "Could not install:$missing" >&2
        exit 1
    fi
}
run $as_root apt-get update
# shellcheck disable=SC2086
run $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
