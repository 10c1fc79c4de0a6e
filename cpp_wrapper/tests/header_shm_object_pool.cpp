// The header stands alone, and may be included twice.
#include "shm_object_pool.h"
