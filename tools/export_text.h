/* export_text.h: the parts of export's lines that repeat, as CSV fields or as JSON. All are to be freed. */
#ifndef STEPLOG_EXPORT_TEXT_H
#define STEPLOG_EXPORT_TEXT_H

#include <steplog.h>

typedef enum export_style {
    EXPORT_CSV,
    EXPORT_CSV_TERMINAL, /* names as print_safe() shows them: exact bytes are for files and pipes */
    EXPORT_JSONL
} export_style;

/* A series' rank and labels: `rank=0,split=val` with a backslash before backslash, comma and equals sign, or an
 * object. */
char *export_labels(export_style style, const steplog_series_info *info, size_t *bytes);

/* A metric's name. */
char *export_name(export_style style, const char *name, size_t name_bytes, size_t *bytes);

/* How a run's lines begin: its id and name, up to where the attempt goes. */
char *export_prefix(export_style style, const steplog_run_info *info, size_t *bytes);

#endif
