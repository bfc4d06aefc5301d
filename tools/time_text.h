/* time_text.h: wall times to text and back. Times are nanoseconds since 1970-01-01 UTC. */
#ifndef STEPLOG_TIME_TEXT_H
#define STEPLOG_TIME_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT_BYTES 40

/* Writes RFC 3339 in UTC with as many digits of a second as there are: "2026-01-02T03:04:05Z",
 * "2026-01-02T03:04:05.25Z". STEPLOG_TIME_NONE gives "". Returns its length. */
size_t time_text_format(int64_t time_ns, char text[TIME_TEXT_BYTES]);

/* Reads RFC 3339 ("2026-01-02T03:04:05.25+01:00", a space or t for T, Z or an offset; without either: UTC; a date
 * alone is its midnight), "@1700000000.5", or a time before now: "-10m" (s, m, h, d, w; "-1.5h"), "now".
 * Returns 1, or 0. */
int time_text_parse(const char *text, int64_t now_ns, int64_t *out);

/* Reads RFC 3339 alone, with a length. Returns 1, or 0. */
int time_text_parse_rfc3339(const char *text, size_t bytes, int64_t *out);

/* Writes a span for people: "0s", "45s", "3m", "2h", "5d", "3w"; negative ones count as 0. Returns its length. */
size_t time_text_format_span(int64_t span_ns, char text[TIME_TEXT_BYTES]);

/* Gives the wall clock. */
int64_t time_text_now(void);

#endif
