// The header stands alone, and may be included twice.
#include "shm_spsc_queue.h"
