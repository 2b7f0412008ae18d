// Weights in strips: the rows of a matrix interleaved so that a SIMD lane is a row.
//
// R consecutive rows form a strip (R is the kernel table's height). For every 32 columns the codes
// of all R rows lie side by side, four columns of a row in each 32-bit lane; one layout serves one
// activation row or many. A strip has as many bytes as its rows had in the file. The kernels that
// read it are in kernels.inl, which this file must agree with byte by byte.
#pragma once

#include <cstdint>
#include <optional>

#include "cpu/kernels.h"
#include "format/tensor_type.h"
#include "model/weights.h"

namespace facet::cpu {

// Index into Kernels::strip.
enum class StripType : uint8_t {
    kF32,
    kF16,
    kBF16,
    kQ4_0,
    kQ4_1,
    kQ5_0,
    kQ5_1,
    kQ8_0,
    kQ2_K,
    kQ3_K,
    kQ4_K,
    kQ5_K,
    kQ6_K,
    kIQ4_NL,
    kIQ4_XS,
    kMXFP4,
};

StripType strip_type(TensorType type);

// Matrices that can be packed in two planes of bits: the high bits of all codes with the scales,
// and the low bits, which strips of the same rows keep apart. Together they take what one strip
// does. Index into Kernels::planes.
enum class PlaneType : uint8_t {
    kQ6_K,  // three bits and three
    kQ8_0,  // four and four
};

std::optional<PlaneType> plane_type(TensorType type);

struct PlaneBytes {
    uint64_t high = 0, low = 0;
};
// Of one row.
PlaneBytes plane_bytes(PlaneType type, int64_t columns);

// Where a strip's planes are written.
struct PlaneTarget {
    uint8_t* high = nullptr;
    uint8_t* low = nullptr;
};
// As pack_strip(), for the types that have planes.
void pack_planes(const Matrix& matrix, int64_t first_row, int rows, PlaneTarget out);

// Interleaves rows [first_row, first_row + rows) of the matrix; rows beyond its last count as zero.
//   rows a multiple of 4
//   out  rows * matrix.row_bytes() bytes
// Columns must be a multiple of 32 (float types: any).
void pack_strip(const Matrix& matrix, int64_t first_row, int rows, uint8_t* out);

}  // namespace facet::cpu
