/*
 * enum_value.h
 *		Values of enums and their labels.
 */
#ifndef RECALL_ENUM_VALUE_H
#define RECALL_ENUM_VALUE_H

#include "recall.h"

/* The OID of a value of an enum of recall's; InvalidOid when it has no such value. */
extern Oid recall_enum_value(const char *type_name, const char *label);

/* The label of a value of any enum. */
extern char *recall_enum_label(Oid value);

#endif /* RECALL_ENUM_VALUE_H */
