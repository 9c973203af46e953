/* libiptc/ipt_kernel_headers.h - for programs that are compiled as they are: libiptc's name for weir/libiptc.h. */
#include "../../libiptc.h"
