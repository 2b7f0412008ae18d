// The AVX-VNNI table with its one instruction in AVX-512's encoding (EVEX instead of VEX), under
// another name: so its code is run on machines that have AVX-512 VNNI but not AVX-VNNI, such as
// Zen 4. kernels_testing.cc hands it to the tests.
#define kernels_avxvnni kernels_avxvnni_evex
#include "cpu/kernels_avxvnni.cc"
