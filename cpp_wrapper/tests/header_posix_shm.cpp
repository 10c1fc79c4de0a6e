// The header stands alone, and may be included twice.
#include "posix_shm.h"
