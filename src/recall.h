/*
 * recall.h
 *		What the C files of recall share with each other and with the server.
 *
 * The heart (policy_*.c, calling_hours_*.c, parse.c) is written against parse.h alone, without the
 * server, so that it can be fuzzed by itself; the files that include this header bind it to SQL.
 */
#ifndef RECALL_H
#define RECALL_H

#include "postgres.h"
#include "fmgr.h"
#include "nodes/nodes.h"

#include "compat.h"
#include "parse.h"

/* parse_error.c */
extern void recall_report_parse_error(const char *type_name, const char *text, const ParseError *error,
									  Node *escontext);

#endif /* RECALL_H */
