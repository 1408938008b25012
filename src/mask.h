/*
 * mask.h
 *		Telephone numbers that are not shown whole.
 */
#ifndef RECALL_MASK_H
#define RECALL_MASK_H

extern char *recall_mask_number(const char *number, int length);
extern char *recall_mask_message(char *message);

#endif /* RECALL_MASK_H */
