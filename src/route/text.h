/* route/text.h - an instance's links, addresses, routes, rules and permanent neighbours, as lines of `ip -batch`. */
#ifndef WEIR_ROUTE_TEXT_H
#define WEIR_ROUTE_TEXT_H

#include "base/strbuf.h"
#include "instance.h"

void route_text(struct instance *inst, struct strbuf *out);

#endif
