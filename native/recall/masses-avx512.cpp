// unit_masses with AVX-512; CMakeLists.txt gives this file its instructions.
#include "recall/masses-kernel.h"

namespace longread {

void masses_avx512(const KeyView& keys, int begin, int end, const float* queries, int rows, float* out,
                   size_t out_stride, void* scratch) {
    all_masses(keys, begin, end, queries, rows, out, out_stride, scratch);
}

} // namespace longread
