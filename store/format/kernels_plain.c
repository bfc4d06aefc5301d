/* kernels_plain.c: the inner loops for any machine: vectors of two numbers, as SSE2 and NEON have them. */
#include "format/kernels.h"

#include "format/kernels_table.h"
