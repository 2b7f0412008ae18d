#!/bin/sh
# Tests the CPU device on processors that this machine is not, under QEMU's user emulation: every
# kernel, the spin pool, and that chunks, threads and tables change no bit.
#
#   scripts/test_other_isas.sh [BUILD]      BUILD: folder for the builds; JOBS: compilers at once
#
# Needs an x86-64 Debian. Installs what is missing (scripts/install_packages.sh), builds the rooms up
# to the CPU device for aarch64 and x86-64, and says what it ran. QEMU 7.2 knows neither AVX-VNNI nor AVX-512:
# those tables are tested by `make test` on machines that have them.
set -eu

source=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$source/build/isa}
jobs=${JOBS:-$(nproc)}
log=$build/log.txt
# Distributions, blocks and long conversations take an emulator many minutes. What another processor
# may change is the bits of its kernels, and of a device made of them.
bits_only='--gtest_filter=-*Divergence*:*CpuBlocks*:*LongConversations*:*SequencesOfABatch*'
# With one table there is nothing to compare whole models on.
kernels_only='--gtest_filter=-*Divergence*:*CpuBlocks*:*CpuDevice*'
aarch64="qemu-aarch64 -L /usr/aarch64-linux-gnu"

if [ "$(uname -m)" != x86_64 ]; then
    echo "test_other_isas: needs an x86-64 machine; on aarch64, \`make test\` runs the NEON kernels." >&2
    exit 1
fi
"$source/scripts/install_packages.sh" build test isa
mkdir -p "$build"

# configure_and_build FOLDER [CMAKE OPTION]...
configure_and_build() {
    folder=$build/$1
    shift
    cmake -G Ninja -S "$source" -B "$folder" -DCMAKE_BUILD_TYPE=Release -DFACET_ROOMS_ONLY=ON "$@" >"$log" 2>&1 &&
        cmake --build "$folder" -j "$jobs" --target facet_cpu_test >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}

# run TABLES COMMAND...: the test program must find exactly these tables, best first.
ran=""
run() {
    tables=$1
    shift
    echo "$*"
    if ! FACET_TEST_TABLES=$tables "$@" --gtest_brief=1 >"$log" 2>&1; then
        cat "$log" >&2
        echo "test_other_isas: failed with the tables \"$tables\": $*" >&2
        exit 1
    fi
    grep -E 'tests? from|PASSED' "$log"
    ran="$ran
  $tables	$*"
}

echo "Building for aarch64"
configure_and_build aarch64 -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
    "-DCMAKE_CROSSCOMPILING_EMULATOR=$(echo "$aarch64" | tr ' ' ';')"
# Neoverse N1 has the dot product of Armv8.2, Cortex-A53 does not.
run "neon scalar" $aarch64 -cpu neoverse-n1 "$build/aarch64/facet_cpu_test" "$bits_only"
run "scalar" $aarch64 -cpu cortex-a53 "$build/aarch64/facet_cpu_test" "$kernels_only"

echo "Building for x86-64"
configure_and_build x86-64
run "avx2 scalar" qemu-x86_64 -cpu Haswell "$build/x86-64/facet_cpu_test" "$bits_only"
# What the baseline, x86-64-v2, is: nothing else may be needed to start.
run "scalar" qemu-x86_64 -cpu Nehalem "$build/x86-64/facet_cpu_test" "$kernels_only"

echo "Ran the tests of the CPU device under QEMU with the tables:$ran"
