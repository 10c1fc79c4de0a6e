// The header stands alone, and may be included twice.
#include "shm_ring_buffer.h"
