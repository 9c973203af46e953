/* libiptc/libip6tc.h - for programs that are compiled as they are: libiptc's name for weir/libiptc.h. */
#include "../../libiptc.h"
