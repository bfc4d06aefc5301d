/* import_cell.h: what one cell of a file to import means: a number, a text, nothing, a time. */
#ifndef STEPLOG_IMPORT_CELL_H
#define STEPLOG_IMPORT_CELL_H

#include <stddef.h>
#include <stdint.h>

typedef enum import_kind { IMPORT_MISSING, IMPORT_NUMBER, IMPORT_TEXT, IMPORT_LIST } import_kind;

/* Reads a whole cell: blanks around it do not count. A number is what number_parse_double() takes, also with a unit
 * behind it ("28926ms", "12.5%", "nanms"), a NaN spelled as C libraries do ("-nan(ind)"), true or false. Nothing, null,
 * None and NA are missing. Brackets around the whole are a list. Everything else is text. */
import_kind import_cell_read(const char *text, size_t bytes, double *out);

/* Reads a number at the start of free text, with its unit, "N/M" (which is N) or true and false, if it ends where a
 * word ends. Returns its bytes, or 0. */
size_t import_cell_prefix(const char *text, size_t bytes, double *out);

/* Whether the comma at text[at] stands within a number ("0,693"): 0, nor 693 alone, is what was meant. */
int import_cell_is_inner_comma(const char *text, size_t bytes, size_t at);

/* The bytes of a unit that stands alone at the start of text ("34239 MiB"), or 0. */
size_t import_cell_unit(const char *text, size_t bytes);

/* Reads a step: a whole number, or "N/M", which is N. Returns 1, or 0. */
int import_cell_step(const char *text, size_t bytes, int64_t *out);

/* Reads a wall time when the cell clearly is one: seconds, ms, us or ns since 1970 of the years 1985 to 2128, RFC 3339,
 * "YYYY-MM-DD HH:MM:SS" with '.' or ',' before a fraction, "YYYY-MM-DD_HH-MM-SS"; without an offset: UTC.
 * Returns 1, or 0. */
int import_cell_time(const char *text, size_t bytes, int64_t *out);

/* The same for a stamp that begins a line, perhaps in brackets. Returns the bytes it takes, or 0. */
size_t import_cell_stamp(const char *text, size_t bytes, int64_t *out);

/* Cuts blanks off both ends. */
void import_cell_trim(const char **text, size_t *bytes);

/* Tells whether bytes are valid UTF-8; *bad receives the offset of the first byte that is not. */
int import_cell_is_utf8(const char *text, size_t bytes, size_t *bad);

#endif
