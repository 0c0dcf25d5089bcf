// longread-cuda-emulated.so is made of the kernels' archive; CMake wants a file of its own.
#include "cuda/interface.h"
