// The header stands alone, and may be included twice.
#include "shm_simd_utils.h"
