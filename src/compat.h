/*
 * compat.h
 *		Every difference between the PostgreSQL majors that recall supports; 15 is the floor.
 */
#ifndef RECALL_COMPAT_H
#define RECALL_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "recall needs PostgreSQL 15 or newer"
#endif

/* PostgreSQL 16 lets input functions report an error softly, to a caller that asked for it. */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#include "varatt.h"
#define SOFT_ERROR_CONTEXT(fcinfo) ((fcinfo)->context)
#else
#define SOFT_ERROR_CONTEXT(fcinfo) NULL
#define errsave(context, ...) ereport(ERROR, __VA_ARGS__)
#endif

#endif /* RECALL_COMPAT_H */
