/* export_text.h: the parts of export's lines that repeat, as CSV fields or as JSON. All are to be freed. */
#ifndef STEPLOG_EXPORT_TEXT_H
#define STEPLOG_EXPORT_TEXT_H

#include <steplog.h>

/* A series' rank and labels: `rank=0,split=val` with a backslash before backslash, comma and equals sign, or an
 * object. */
char *export_labels(int is_jsonl, const steplog_series_info *info, size_t *bytes);

/* A metric's name. */
char *export_name(int is_jsonl, const char *name, size_t name_bytes, size_t *bytes);

/* How a run's lines begin: its id and name, up to where the attempt goes. */
char *export_prefix(int is_jsonl, const steplog_run_info *info, size_t *bytes);

#endif
