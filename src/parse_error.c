/*
 * parse_error.c
 *		Turns a parser's error into the server's, and shows SQL the nearest known word.
 */
#include "recall.h"

#include "mask.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(recall_nearest);

/*
 * Report that a text is not a value of the type, at the character where it stops being one. The
 * word that stands there may be somebody's number.
 */
void
recall_report_parse_error(const char *type_name, const char *text, const ParseError *error,
						  Node *escontext)
{
	errsave(escontext, (errcode(error->too_large ? ERRCODE_PROGRAM_LIMIT_EXCEEDED
												 : ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("invalid %s at character %d: %s", type_name,
							   pg_mbstrlen_with_len(text, error->position) + 1,
							   recall_mask_message(pstrdup(error->message))),
						error->hint[0] != '\0' ? errhint("%s", error->hint) : 0));
}

/* _nearest(word text, known text[]) returns text */
Datum
recall_nearest(PG_FUNCTION_ARGS)
{
	text *word = PG_GETARG_TEXT_PP(0);
	ArrayType *known = PG_GETARG_ARRAYTYPE_P(1);
	Datum *elements;
	bool *nulls;
	int count;
	int number_known = 0;
	const char **words;
	const char *nearest;

	deconstruct_array(known, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	words = palloc(sizeof(char *) * Max(count, 1));
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			words[number_known++] = TextDatumGetCString(elements[i]);
	nearest = recall_nearest_word(VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word), words, number_known);
	if (nearest == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(nearest));
}
